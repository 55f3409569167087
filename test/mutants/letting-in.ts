import type { Mutant } from './mutant.ts'

const gate = 'packages/runtime/src/grpc-gate.ts'
const calls = 'packages/runtime/src/grpc-gate.test.ts'
const admission = 'packages/runtime/src/admission.ts'
const rates = 'packages/runtime/src/admission.test.ts'

/** How much is let in. What is simulated has no callers that could be too many. */
export const lettingIn: readonly Mutant[] = [
  {
    name: 'who finds no room is answered before a call is made of it',
    file: gate,
    find: 'hasPlace(passing) && heads[withinHeader] === undefined ? gate.admission.refusal() : undefined',
    replace: 'undefined',
    test: [calls, 'who is refused is told so before its request is read'],
    simulated: false,
  },
  {
    name: 'a call has to find room when its head has come',
    file: gate,
    find: 'onReceiveMetadata: (metadata) => this.#arrive(metadata, () => listener.onReceiveMetadata(metadata)),',
    replace: 'onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),',
    test: [calls, 'a call is under way from its head'],
    simulated: false,
  },
  {
    name: 'what is worked on keeps its place when its caller is gone',
    file: gate,
    find: 'if (!this.#handled) this.#place?.leave()',
    replace: 'this.#place?.leave()',
    test: [calls, 'what is worked on keeps it'],
    simulated: false,
  },
  {
    name: 'a place is left when the work has ended and nobody waits for it',
    file: gate,
    find: '    this.#place?.leave()\n    this.#call.sendMessage',
    replace: '    this.#call.sendMessage',
    test: [calls, 'what is worked on keeps it'],
    simulated: false,
  },
  {
    name: 'bytes of requests are counted as they come',
    file: gate,
    find: 'this.#place?.hold(message.length)',
    replace: 'undefined',
    test: [calls, 'bytes of requests are counted'],
    simulated: false,
  },
  {
    name: 'what has waited for the event loop has less time left',
    file: admission,
    find: 'Math.max(aimMs - late, 0)',
    replace: 'aimMs',
    test: [rates, 'what waits before it is let in counts'],
    simulated: false,
  },
]
