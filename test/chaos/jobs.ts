import type { Ask, Delivery } from './edge.ts'
import type { Random } from './random.ts'

/** The service that all of the load is about. */
export const service = 'chaos'

/** Asks that are sent at the same time although only one can succeed. */
export interface Duel {
  readonly what: 'one stream' | 'one unique key'
  readonly rivals: readonly [Ask, Ask]
}
export type Job =
  | { readonly kind: 'ask'; readonly ask: Ask }
  | { readonly kind: 'duel'; readonly duel: Duel }
  /** The same id with another content. */
  | { readonly kind: 'reuse'; readonly ask: Ask; readonly other: Ask }
  | { readonly kind: 'alerts' | 'events'; readonly delivery: Delivery }

/** What one caller does next; names are its own, so that nobody else's work is in its way. */
export class Work {
  readonly #name: string
  readonly #random: Random
  #count = 0
  #mine: string[] = []
  #incidents: string[] = []
  readonly #asks: readonly (() => Job)[] = [
    () => ({ kind: 'ask', ask: this.#raise() }),
    () => ({ kind: 'ask', ask: this.#further() }),
    // As much for operations as for requirements
    () => ({ kind: 'ask', ask: this.#incident() }),
    () => ({ kind: 'ask', ask: this.#incident() }),
    () => (this.#random.chance(0.5) ? this.#duel() : this.#reuse()),
  ]
  readonly #kinds: readonly (() => Job)[]

  constructor(name: string, random: Random, { asksOnly }: { readonly asksOnly: boolean }) {
    this.#name = name
    this.#random = random
    this.#kinds = asksOnly ? this.#asks : [...this.#asks, () => this.#alerts(), () => this.#alerts(), () => this.#errors()]
  }

  next(): Job {
    this.#count += 1
    return this.#random.pick(this.#kinds)()
  }

  #id(what: string): string {
    return `${what}-${this.#name}-${this.#count}`
  }
  #ask(target: Ask['target'], method: string, request: Ask['request'], suffix = ''): Ask {
    return { target, method, messageId: `${this.#id(method)}${suffix}`, request }
  }
  #raised(requirement_id: string, suffix = '', origin_id = ''): Ask {
    const request = { requirement_id, title: `${requirement_id}${suffix}`, service, origin_kind: origin_id ? 'import' : '', origin_id }
    return this.#ask('requirements', 'Raise', request, suffix)
  }

  #raise(): Ask {
    const id = this.#id('R')
    this.#mine = [...this.#mine, id].slice(-20)
    return this.#raised(id)
  }

  /** More facts on a stream that is there. */
  #further(): Ask {
    const [first] = this.#mine
    if (first === undefined) return this.#raise()
    const requirement_id = this.#random.pick(this.#mine)
    if (this.#random.chance(0.5)) return this.#ask('requirements', 'Pin', { requirement_id, rank: this.#count })
    const acceptance = [`criterion ${this.#count}`]
    const operability = { owner: 'team-chaos', runbook: 'https://runbooks.example.org', objective: '' }
    return this.#ask('requirements', 'Refine', { requirement_id, goal: `goal ${this.#count}`, acceptance, operability, designs: [] })
  }

  #incident(): Ask {
    const known = this.#incidents.shift()
    if (known !== undefined && this.#random.chance(0.6)) return this.#ask('operations', 'AcknowledgeIncident', { incident_id: known })
    const incident_id = this.#id('INC')
    this.#incidents.push(incident_id)
    return this.#ask('operations', 'DeclareIncident', {
      incident_id,
      service,
      severity: 'high',
      title: incident_id,
      began_at: '',
      environment: '',
      signal_ids: [],
    })
  }

  #alerts(): Job {
    const alerts = Array.from({ length: 1 + this.#random.below(3) }, (_, index) => ({
      status: 'firing',
      labels: { alertname: `${this.#id('A')}-${index}`, service, environment: 'production', severity: 'page' },
      annotations: {},
      startsAt: '2026-11-19T08:00:00Z',
      endsAt: '0001-01-01T00:00:00Z',
      fingerprint: Buffer.from(`${this.#id('f')}-${index}`).toString('hex'),
    }))
    const body = { version: '4', groupKey: this.#id('group'), status: 'firing', externalURL: 'https://alertmanager.example.org', alerts }
    return { kind: 'alerts', delivery: { messageId: this.#id('alerts'), body } }
  }

  #errors(): Job {
    const time = '2026-11-19T08:10:00Z'
    const events = Array.from({ length: 1 + this.#random.below(4) }, (_, index) => ({
      id: `${this.#id('E')}-${index}`,
      source: 'https://chaos.example.org',
      time,
      errors: {
        service,
        environment: 'production',
        artifact: '',
        error_class: `E${this.#random.below(5)}`,
        title: 'It fails',
        from: '2026-11-19T08:00:00Z',
        to: time,
        events: String(1 + this.#random.below(9)),
        requests: '1000',
        event_ids: [],
      },
    }))
    return { kind: 'events', delivery: { messageId: this.#id('events'), body: { events } } }
  }

  #duel(): Job {
    if (this.#random.chance(0.5)) {
      const id = this.#id('D')
      return { kind: 'duel', duel: { what: 'one stream', rivals: [this.#raised(id, '-a'), this.#raised(id, '-b')] } }
    }
    const issue = this.#id('issue')
    const rivals = [this.#raised(this.#id('K1'), '-a', issue), this.#raised(this.#id('K2'), '-b', issue)] as const
    return { kind: 'duel', duel: { what: 'one unique key', rivals } }
  }

  #reuse(): Job {
    const ask = this.#raised(this.#id('U'))
    return { kind: 'reuse', ask, other: { ...ask, request: { ...ask.request, title: 'another' } } }
  }
}
