// The selection of all fields of a type down to its leaves, and the check of values against their types.

import { getNamedType, isAbstractType, isEnumType, isLeafType, isListType, isNonNullType } from 'graphql';

/** The selection set with every field that needs no argument. Fields that lead back to a type above are left out. */
export function everythingOf(type, schema, above = []) {
  if (isLeafType(type)) return '';
  if (isAbstractType(type)) {
    const cases = schema.getPossibleTypes(type).map((possible) => `... on ${possible.name} ${everythingOf(possible, schema, above)}`);
    return `{ __typename ${cases.join(' ')} }`;
  }
  const fields = Object.values(type.getFields()).filter((field) => {
    const inside = getNamedType(field.type);
    return field.args.every(({ type }) => !isNonNullType(type)) && inside !== type && !above.includes(inside);
  });
  return `{ __typename ${fields.map(({ name, type: of }) => `${name} ${everythingOf(getNamedType(of), schema, [...above, type])}`).join(' ')} }`;
}

const LEAVES = {
  ID: (value) => typeof value === 'string',
  String: (value) => typeof value === 'string',
  Boolean: (value) => typeof value === 'boolean',
  Int: Number.isInteger,
  Float: Number.isFinite,
  Date: (value) => /^\d{4}-\d{2}-\d{2}$/.test(value),
  DateTime: (value) => /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/.test(value),
};

/** The places at which a value is not of its type, as `customer.status: …`. Adds fields that are not null to `seen`. */
export function* misfits(value, type, schema, seen, at = '') {
  if (isNonNullType(type)) {
    if (value === null || value === undefined) yield `${at}: is ${value}`;
    else yield* misfits(value, type.ofType, schema, seen, at);
  } else if (value === null || value === undefined) {
    if (value === undefined) yield `${at}: is missing`;
  } else if (isListType(type)) {
    if (!Array.isArray(value)) yield `${at}: is not a list`;
    else for (const [index, item] of value.entries()) yield* misfits(item, type.ofType, schema, seen, `${at}.${index}`);
  } else if (isEnumType(type)) {
    if (!type.getValue(value) || value === 'UNRECOGNIZED') yield `${at}: ${JSON.stringify(value)} is not of type ${type.name}`;
  } else if (isLeafType(type)) {
    if (!LEAVES[type.name]?.(value)) yield `${at}: ${JSON.stringify(value)} is not of type ${type.name}`;
  } else {
    const of = schema.getType(value.__typename);
    for (const [name, inside] of Object.entries(value)) {
      if (name === '__typename') continue;
      if (inside !== null) seen.add(`${of.name}.${name}`);
      yield* misfits(inside, of.getFields()[name].type, schema, seen, `${at}.${name}`);
    }
  }
}
