/** A CloudEvent 1.0 as it came, in whichever mode. */
export interface CloudEvent {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject?: string | undefined
  readonly time?: string | undefined
  readonly datacontenttype?: string | undefined
  readonly data: unknown
}
