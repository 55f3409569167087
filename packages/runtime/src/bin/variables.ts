// Writes the table of all variables into a Markdown file, between its two marks; with `--check` it only says whether it is up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { variablesTable } from '../config.ts'

const marks = ['<!-- variables -->', '<!-- /variables -->'] as const
const [file = 'README.md'] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const before = readFileSync(file, 'utf8')
const [start, end] = marks.map((mark) => before.indexOf(mark))
if (start === undefined || end === undefined || start < 0 || end < start) {
  process.stderr.write(`${file} has no ${marks.join(' … ')}: the table of variables goes between them\n`)
  process.exit(1)
}
const after = `${before.slice(0, start + marks[0].length)}\n\n${variablesTable()}\n${before.slice(end)}`
if (before === after) process.stdout.write(`the table of variables in ${file} is up to date\n`)
else if (process.argv.includes('--check')) {
  process.stderr.write(`the table of variables in ${file} is not up to date: run packages/runtime/src/bin/variables.ts ${file}\n`)
  process.exit(1)
} else {
  writeFileSync(file, after)
  process.stdout.write(`the table of variables in ${file} was written\n`)
}
