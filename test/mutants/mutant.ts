/** A guard of the code, and what takes it away. */
export interface Mutant {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
  /** The test that is to notice where the simulation cannot: a file, and a part of the test's name. */
  readonly test?: readonly [file: string, name: string]
  /** What lies in SQL, or speaks to a real engine, is not simulated. */
  readonly simulated?: false
}
