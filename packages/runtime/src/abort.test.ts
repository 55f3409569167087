import { EventEmitter, getEventListeners } from 'node:events'
import { Metadata } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { onAbort, unlessAborted } from './abort.ts'
import { pump } from './grpc-call.ts'

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

test('a wait ends by what it waits for or by the signal, and leaves nothing behind', async () => {
  const aborting = new AbortController()
  const { signal } = aborting
  let cancelled = 0
  const cancel = () => {
    cancelled += 1
  }
  for (let n = 0; n < 3; n++)
    await unlessAborted(signal, (done) => {
      setImmediate(done)
      return cancel
    })
  expect([cancelled, listeners(signal)]).toEqual([3, 0])

  const ended = unlessAborted(signal, () => cancel)
  expect(listeners(signal)).toBe(1)
  aborting.abort()
  await ended
  expect([cancelled, listeners(signal)]).toEqual([4, 0])

  await unlessAborted(signal, () => {
    throw new Error('nothing begins where it is aborted already')
  })
})

test('who comes when it is aborted already is called at once', () => {
  let called = 0
  const count = () => {
    called += 1
  }
  onAbort(AbortSignal.abort(), count)()
  expect(called).toBe(1)
})

test('what is taken back is not called', () => {
  const aborting = new AbortController()
  const called: string[] = []
  onAbort(aborting.signal, () => called.push('kept'))
  onAbort(aborting.signal, () => called.push('taken back'))()
  aborting.abort()
  expect(called).toEqual(['kept'])
})

/** A peer that takes one answer at a time. */
class Slow extends EventEmitter {
  readonly metadata = new Metadata()
  readonly cancelled = false
  readonly taken: unknown[] = []
  write(value: unknown): boolean {
    this.taken.push(value)
    setImmediate(() => this.emit('drain'))
    return false
  }
  end(): void {}
}

test('a stream that has waited for its peer often keeps no trace of it', async () => {
  const call = new Slow()
  const { signal } = new AbortController()
  async function* answers() {
    for (let n = 0; n < 50; n++) yield { n }
  }
  await pump(call, answers(), signal)
  expect(call.taken).toHaveLength(50)
  expect([listeners(signal), call.listenerCount('drain')]).toEqual([0, 0])
})

test('a stream whose peer is gone waits no more', async () => {
  const call = new Slow()
  const gone = new AbortController()
  call.write = (value) => {
    call.taken.push(value)
    setImmediate(() => gone.abort())
    return false
  }
  async function* answers() {
    for (let n = 0; n < 3; n++) yield { n }
  }
  await pump(call, answers(), gone.signal)
  expect([call.taken, call.listenerCount('drain')]).toEqual([[{ n: 0 }], 0])
})
