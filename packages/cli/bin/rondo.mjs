#!/usr/bin/env node
// Runs the command from its sources; plain JavaScript, so that whatever Node is there can read it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as modules from 'node:module'
import { fileURLToPath } from 'node:url'

const main = new URL('../src/main.ts', import.meta.url)
const pinned = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url))
const [major = 0] = process.versions.node.split('.').map(Number)

/** The sources of the workspace's packages, in this process: a second Node would double the time to the first word. */
function inProcess() {
  // Compiled code of earlier starts; where the folder cannot be written, everything is compiled as ever
  modules.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)))
  modules.registerHooks({
    resolve: (specifier, context, next) => next(specifier, { ...context, conditions: [...context.conditions, 'development'] }),
  })
  return import(main.href)
}

/** An older Node hands over to the pinned one, which the set-up has brought. */
function byPinned() {
  if (!existsSync(pinned)) {
    process.stderr.write('rondo: Node 24 or newer is needed; run "npm start" or "npm test" once, which bring it\n')
    process.exit(1)
  }
  const child = spawn(pinned, ['--conditions=development', fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' })
  // The terminal sends Ctrl-C to both; the child ends and says how
  process.on('SIGINT', () => undefined)
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(
      `rondo: ${pinned} cannot be started (${error.message}); run "npm start" or "npm test" once, which set everything up\n`,
    )
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
}

if (major >= 24) await inProcess()
else byPinned()
