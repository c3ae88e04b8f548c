// Validates docs/asyncapi.yaml: against AsyncAPI's own schema, its examples and the frames on stdin
// against its messages. stdin is JSON, {message: [frame, ...]}; each problem is a line of stdout,
// and the last line is JSON: {examples: {message: [frame, ...]}, codes: [of phx_error]}.

import { readFileSync } from 'node:fs'
import specs from '@asyncapi/specs'
import Ajv from 'ajv'
import addFormats from 'ajv-formats'
import { parse } from 'yaml'

const [path] = process.argv.slice(2)
const document = parse(readFileSync(path, 'utf8'))
const captured = JSON.parse(readFileSync(0, 'utf8'))
const ajv = new Ajv({ strict: false, allErrors: true })
// AsyncAPI's schema brings JSON Schema's own along, which must not be there twice.
const own = new Ajv({ strict: false, allErrors: true, meta: false, validateSchema: false })
for (const one of [ajv, own]) addFormats(one)

function check(validate, value, name) {
  if (validate(value)) return
  for (const { instancePath, message, params } of validate.errors)
    console.log(`${name}${instancePath}: ${message} ${JSON.stringify(params)}`)
}

function checkReferences(part) {
  if (part === null || typeof part !== 'object') return
  if (typeof part.$ref === 'string') {
    const steps = part.$ref.split('/').slice(1)
    if (steps.reduce((found, step) => found?.[step], document) === undefined)
      console.log(`document: ${part.$ref} leads nowhere`)
  }
  for (const inner of Object.values(part)) checkReferences(inner)
}

const specification = specs.schemas[document.asyncapi]
check(own.compile(specification), document, 'document')
checkReferences(document)

ajv.addSchema({ $id: 'document', ...document }, 'document')
const examples = {}
for (const [name, message] of Object.entries(document.components.messages)) {
  const validate = ajv.getSchema(`document#/components/messages/${name}/payload`)
  examples[name] = message.examples.map((example) => example.payload)
  for (const example of examples[name]) check(validate, example, `example of ${name}`)
  for (const frame of captured[name] ?? []) check(validate, frame, `captured ${name}`)
}
for (const name of Object.keys(captured))
  if (!(name in examples)) console.log(`captured ${name}: there is no such message`)
const codes = document.components.schemas.errorPayload.properties.code.enum
console.log(JSON.stringify({ examples, codes }))
