import { Fraction } from 'fraction.js'

/** An exact number. Decimal text means exactly what is written: `0.1` is one tenth, whatever a double makes of it. */
export type Exact = Fraction

const pattern = /^([+-]?\d+(?:\.\d+)?)(?:[eE]([+-]?\d{1,3}))?$/

/** Undefined where the text is no decimal number. */
export function decimal(text: string): Exact | undefined {
  const [, mantissa, exponent] = pattern.exec(text.trim()) ?? []
  if (!mantissa) return undefined
  return exponent ? new Fraction(mantissa).mul(new Fraction(10).pow(Number(exponent)) ?? 1) : new Fraction(mantissa)
}

/** The shortest decimal that a double is written as: what a sender or a policy wrote. Undefined for NaN and infinity. */
export const exact = (number: number): Exact | undefined => decimal(String(number))
export const ratio = (numerator: number, denominator: number): Exact => new Fraction(numerator, denominator)
export const whole = (number: number): Exact => new Fraction(number)
