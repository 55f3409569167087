import type { Service } from '@rondo/runtime'
import { entry } from './entry.ts'
import { item } from './item.ts'
import { notice } from './notice.ts'
import { reactions } from './reactions.ts'
import { requester } from './requester.ts'
import { rpc } from './rpc.ts'
import { turn } from './turn.ts'
import { contacts } from './views/contacts.ts'
import { releaseNames, repositories } from './views/names.ts'

export const feedback: Service = {
  name: 'feedback',
  streams: [item, requester, turn, notice, entry],
  reactions,
  views: [contacts, repositories, releaseNames],
  migrations: new URL('../migrations/', import.meta.url),
  rpc: { 'rondo.feedback.v1.Feedback': rpc },
}
