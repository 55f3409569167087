import { builds } from '@rondo/builds'
import { feedback } from '@rondo/feedback'
import { gateway } from '@rondo/gateway'
import { operations } from '@rondo/operations'
import { releases } from '@rondo/releases'
import { requirements } from '@rondo/requirements'

export const services = [requirements, builds, releases, operations, feedback, gateway]
