// Random documents for a schema, with their variables. Most of them are valid. They contain the difficult cases: inline
// and named fragments on objects, interfaces, unions and roots; aliases, also colliding ones; response keys that are
// repeated and merged; `@include` and `@skip` with literals and variables; arguments as literals, variables and
// defaults.

import {
  GraphQLBoolean,
  GraphQLNonNull,
  Kind,
  doTypesOverlap,
  getNamedType,
  getNullableType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
  parseType,
  visit,
} from 'graphql';

const name = (value) => ({ kind: Kind.NAME, value });
const string = (value) => ({ kind: Kind.STRING, value });
const number = (value) => ({ kind: Number.isInteger(value) ? Kind.INT : Kind.FLOAT, value: String(value) });

/**
 * `samples`: values for arguments and input fields by name, and for scalars by the name of the type.
 * `root`: "query" or "mutation". `weights`: how often a root field is chosen, by its name; default 1.
 */
export class Generator {
  constructor(random, schema, samples, { root = 'query', weights = {} } = {}) {
    Object.assign(this, { random, schema, samples, root, weights });
    this.fragments = new Map();
    this.declared = new Map();
    this.constants = 0;
    this.types = Object.values(schema.getTypeMap()).filter(isCompositeType);
  }

  /** `{ document, variables, operationName }`. */
  generate() {
    const { random } = this;
    const count = random.chance(0.1) ? 2 : 1;
    const named = count > 1 || random.chance(0.6);
    const operations = [];
    for (let at = 0; at < count; at += 1) {
      operations.push(this.operation(named ? `Operation${at}` : undefined, at === 0 ? this.root : 'query'));
    }
    const fragments = [...this.fragments.values()].map(({ node }) => node);
    for (const operation of operations) this.declare(operation);
    const definitions = [...operations, ...fragments];
    if (random.chance(0.2)) definitions.reverse();
    const values = [...this.declared.entries()].filter(([, { value }]) => value !== undefined);
    return {
      document: { kind: Kind.DOCUMENT, definitions },
      variables: Object.fromEntries(values.map(([key, { value }]) => [key, value])),
      operationName: random.chance(0.02)
        ? 'Unknown'
        : (count > 1 && random.chance(0.9)) || (named && random.chance(0.5))
          ? 'Operation0'
          : undefined,
    };
  }

  operation(operationName, operation) {
    this.fieldsLeft = 40;
    const type = operation === 'mutation' ? this.schema.getMutationType() : this.schema.getQueryType();
    return {
      kind: Kind.OPERATION_DEFINITION,
      operation,
      name: operationName && name(operationName),
      directives: [],
      selectionSet: this.selectionSet(type, 0, new Map(), 'root'),
    };
  }

  /** Declares the variables that the operation uses, its fragments included. */
  declare(operation) {
    const used = new Set();
    const seen = new Set();
    const look = (node) =>
      visit(node, {
        Variable: ({ name: { value } }) => void used.add(value),
        FragmentSpread: ({ name: { value } }) => {
          if (seen.has(value)) return;
          seen.add(value);
          look(this.fragments.get(value).node);
        },
      });
    look(operation);
    operation.variableDefinitions = [...used].map((value) => this.declared.get(value).node);
  }

  /**
   * `scope`: field and arguments under each response key of the same object, so that repeated keys can be merged.
   */
  selectionSet(type, depth, scope, place) {
    const { random } = this;
    const selections = [];
    const count = random.between(1, place === 'root' ? 3 : 4);
    for (let at = 0; at < count || selections.length === 0; at += 1) {
      const kind = random.weighted([
        [7, 'field'],
        [depth < 7 ? 1.4 : 0, 'inline'],
        [depth < 7 ? 0.9 : 0, 'spread'],
      ]);
      if (kind === 'field') selections.push(this.field(type, depth, scope));
      else if (kind === 'inline') selections.push(this.inlineFragment(type, depth, scope));
      else selections.push(this.spread(type, depth, scope));
    }
    return { kind: Kind.SELECTION_SET, selections };
  }

  field(type, depth, scope) {
    const { random } = this;
    this.fieldsLeft -= 1;
    // Repeats an existing field with other fields below it.
    const there = [...scope.entries()].filter(([, entry]) => entry.type === type || random.chance(0.05));
    if (there.length > 0 && random.chance(0.22)) {
      const [key, entry] = random.pick(there);
      return this.fieldNode(entry.definition, key, entry.arguments, depth, entry.scope);
    }
    const definition = this.definition(type, depth);
    let key = definition.name;
    if (random.chance(0.3)) {
      const others = [...Object.keys(type.getFields?.() ?? {}), 'a', 'b', 'c', '__typename'.slice(2)];
      key = random.chance(0.5) ? random.pick(['a', 'b', 'c', 'd']) : random.pick(others);
    }
    const taken = scope.get(key);
    if (taken && !(taken.definition === definition && taken.arguments.length === 0) && random.chance(0.92)) {
      key = `${definition.name.replace(/^__/, '')}${scope.size}`;
    }
    const same = scope.get(key);
    const nodes = same && same.definition === definition ? same.arguments : this.arguments(definition);
    const below = same?.scope ?? new Map();
    if (!same) scope.set(key, { definition, arguments: nodes, scope: below, type });
    return this.fieldNode(definition, key, nodes, depth, below);
  }

  fieldNode(definition, key, args, depth, below) {
    const { random } = this;
    const type = getNamedType(definition.type);
    return {
      kind: Kind.FIELD,
      alias: key === definition.name && !random.chance(0.03) ? undefined : name(key),
      name: name(definition.name),
      arguments: random.chance(0.5) ? args : [...args].reverse(),
      directives: this.directives(),
      selectionSet: isCompositeType(type) ? this.selectionSet(type, depth + 1, below) : undefined,
    };
  }

  /** A field of the type; a leaf if the depth is used up. */
  definition(type, depth) {
    const { random } = this;
    const typename = { name: '__typename', type: new GraphQLNonNull(this.schema.getType('String')), args: [] };
    const fields = Object.values(type.getFields?.() ?? {});
    const room = depth < 7 && this.fieldsLeft > 0;
    const candidates = fields
      .filter((field) => room || isLeafType(getNamedType(field.type)) || depth === 0)
      .map((field) => [
        depth === 0 ? (this.weights[field.name] ?? 1) : isLeafType(getNamedType(field.type)) ? 1 : 2.2,
        field,
      ]);
    if (depth === 0 && type === this.schema.getQueryType() && random.chance(0.03)) {
      return {
        name: '__type',
        type: this.schema.getType('__Type'),
        args: [{ name: 'name', type: new GraphQLNonNull(this.schema.getType('String')) }],
      };
    }
    if (candidates.length === 0 || random.chance(0.07)) return typename;
    return random.weighted(candidates);
  }

  inlineFragment(type, depth, scope) {
    const { random } = this;
    const on = random.chance(0.2) ? undefined : this.overlapping(type);
    return {
      kind: Kind.INLINE_FRAGMENT,
      typeCondition: on && { kind: Kind.NAMED_TYPE, name: name(on.name) },
      directives: this.directives(),
      selectionSet: this.selectionSet(on ?? type, depth + (depth === 0 ? 0 : 1), scope),
    };
  }

  spread(type, depth, scope) {
    const { random } = this;
    const known = [...this.fragments.values()].filter(({ on, done }) => done && doTypesOverlap(this.schema, on, type));
    let fragment = known.length > 0 && random.chance(0.45) ? random.pick(known) : undefined;
    if (!fragment) {
      const on = this.overlapping(type);
      fragment = { name: `Fragment${this.fragments.size}`, on, done: false };
      this.fragments.set(fragment.name, fragment);
      fragment.node = {
        kind: Kind.FRAGMENT_DEFINITION,
        name: name(fragment.name),
        typeCondition: { kind: Kind.NAMED_TYPE, name: name(on.name) },
        directives: [],
        selectionSet: this.selectionSet(on, depth + (depth === 0 ? 0 : 1), scope),
      };
      fragment.done = true;
    }
    return { kind: Kind.FRAGMENT_SPREAD, name: name(fragment.name), directives: this.directives() };
  }

  /** The type itself, or another type that can apply to the same object. */
  overlapping(type) {
    const others = this.types.filter((other) => other !== type && doTypesOverlap(this.schema, other, type));
    return others.length > 0 && this.random.chance(0.6) ? this.random.pick(others) : type;
  }

  directives() {
    const { random } = this;
    const nodes = [];
    for (const word of ['include', 'skip']) {
      if (!random.chance(0.06)) continue;
      const value = random.chance(0.5)
        ? { kind: Kind.BOOLEAN, value: random.chance(0.5) }
        : this.variable(new GraphQLNonNull(GraphQLBoolean), undefined);
      const argument = { kind: Kind.ARGUMENT, name: name('if'), value };
      nodes.push({ kind: Kind.DIRECTIVE, name: name(word), arguments: [argument] });
    }
    return nodes;
  }

  arguments(definition) {
    const { random } = this;
    // Usually only one end of a window.
    const leave =
      definition.name === 'customers' && random.chance(0.95)
        ? random.pick([
            ['last', 'before'],
            ['first', 'after'],
          ])
        : [];
    const nodes = [];
    for (const argument of definition.args) {
      if (leave.includes(argument.name)) continue;
      if (
        !isRequiredArgument(argument) &&
        !random.chance(argument.name === 'first' || argument.name === 'last' || argument.name === 'size' ? 0.9 : 0.35)
      )
        continue;
      nodes.push({ kind: Kind.ARGUMENT, name: name(argument.name), value: this.value(argument) });
    }
    return nodes;
  }

  /** A literal for an argument or an input field, or a variable. */
  value(item, depth = 0) {
    const { random } = this;
    if (this.constants === 0 && random.chance(depth === 0 ? 0.35 : 0.15)) return this.variable(item.type, item);
    return this.literal(item.type, item, depth);
  }

  literal(type, item, depth) {
    const { random } = this;
    if (!isNonNullType(type) && random.chance(0.04)) return { kind: Kind.NULL };
    const inner = getNullableType(type);
    if (isListType(inner)) {
      // A single value is coerced to a list.
      if (random.chance(0.12)) return this.literal(inner.ofType, item, depth + 1);
      const values = Array.from({ length: random.between(0, 3) }, () =>
        this.value({ ...item, name: item.name, type: inner.ofType }, depth + 1),
      );
      return { kind: Kind.LIST, values };
    }
    if (isInputObjectType(inner)) {
      const fields = this.inputFields(inner).map((field) => ({
        kind: Kind.OBJECT_FIELD,
        name: name(field.name),
        value: inner.isOneOf
          ? this.literal(new GraphQLNonNull(getNullableType(field.type)), field, depth + 1)
          : this.value(field, depth + 1),
      }));
      return { kind: Kind.OBJECT, fields };
    }
    const value = this.scalar(inner, item);
    if (isEnumType(inner)) return { kind: Kind.ENUM, value };
    if (typeof value === 'boolean') return { kind: Kind.BOOLEAN, value };
    if (typeof value === 'number') return number(value);
    if (typeof value === 'object') return objectNode(value);
    return string(value);
  }

  /** The value in the JSON form of variables. */
  json(type, item, depth = 0) {
    const { random } = this;
    if (!isNonNullType(type) && random.chance(0.06)) return null;
    const inner = getNullableType(type);
    if (isListType(inner)) {
      if (random.chance(0.12)) return this.json(inner.ofType, item, depth + 1);
      return Array.from({ length: random.between(0, 3) }, () => this.json(inner.ofType, item, depth + 1));
    }
    if (isInputObjectType(inner)) {
      const pairs = this.inputFields(inner).map((field) => [
        field.name,
        this.json(inner.isOneOf ? new GraphQLNonNull(getNullableType(field.type)) : field.type, field, depth + 1),
      ]);
      return Object.fromEntries(pairs);
    }
    return this.scalar(inner, item);
  }

  inputFields(type) {
    const fields = Object.values(type.getFields());
    if (type.isOneOf) return [this.random.pick(fields)];
    return fields.filter((field) => isRequiredInputField(field) || this.random.chance(0.3));
  }

  scalar(type, item) {
    const { random, samples } = this;
    if (isEnumType(type)) {
      const words = type
        .getValues()
        .map((value) => value.name)
        .filter((word) => word !== 'UNRECOGNIZED');
      return random.pick(words);
    }
    const texts = samples[item?.name];
    switch (type.name) {
      case 'Boolean':
        return random.chance(0.5);
      case 'Int':
        return random.chance(0.96) ? random.between(1, 4) : random.pick([0, -1, 101, 2147483647]);
      case 'Float':
        return random.pick([0, 0.5, 1e3]);
      default:
        return random.pick(texts ?? samples[type.name] ?? samples.String);
    }
  }

  /** A declared variable for a position, usually with a value. In rare cases its type does not fit the position. */
  variable(type, item) {
    const { random } = this;
    const fits = [...this.declared.values()].filter(
      ({ type: other, item: of }) => String(other) === String(type) && of?.name === item?.name,
    );
    if (fits.length > 0 && random.chance(0.6)) return reference(random.pick(fits));
    let declared = type;
    let value;
    let defaultValue;
    const hasDefault = item?.defaultValue !== undefined;
    if (!isNonNullType(type) && random.chance(0.3)) declared = new GraphQLNonNull(type);
    else if (isNonNullType(type) && random.chance(0.25)) {
      declared = type.ofType;
      if (!hasDefault || random.chance(0.7)) defaultValue = this.constant(type, item);
    }
    if (!isNonNullType(declared) && defaultValue === undefined && random.chance(0.2))
      defaultValue = this.constant(declared, item);
    if (isNonNullType(declared) && random.chance(0.15)) defaultValue = this.constant(declared, item);
    const mayMiss = !isNonNullType(declared) || defaultValue !== undefined;
    if (!mayMiss || random.chance(0.7)) {
      value = this.json(random.chance(0.97) && isNonNullType(type) ? type : declared, item);
      if (random.chance(0.03)) value = this.wrong(value);
    }
    const entry = {
      type,
      item,
      value,
      node: {
        kind: Kind.VARIABLE_DEFINITION,
        variable: { kind: Kind.VARIABLE, name: name(`v${this.declared.size}`) },
        type: parseType(String(declared)),
        defaultValue,
        directives: [],
      },
    };
    this.declared.set(entry.node.variable.name.value, entry);
    return reference(entry);
  }

  /** A literal without variables, as defaults require. */
  constant(type, item) {
    this.constants += 1;
    const node = this.literal(type, item ?? {}, 0);
    this.constants -= 1;
    return node;
  }

  wrong(value) {
    const { random } = this;
    const others = [null, 'x', 7, 2.5, true, [], [value], [[value]], {}, { unknown: value }, undefined];
    if (Array.isArray(value)) others.push([...value, null], [...value, { a: 1 }], [...value, 1.5]);
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      others.push({ ...value, unknown: 1 }, Object.fromEntries(Object.entries(value).slice(1)));
      const [key] = Object.keys(value);
      if (key) others.push({ ...value, [key]: null }, { ...value, [key]: { b: [] } }, { ...value, [key]: 3 });
    }
    return random.pick(others);
  }
}

function reference({ node }) {
  return { kind: Kind.VARIABLE, name: node.variable.name };
}

function objectNode(value) {
  if (value === null) return { kind: Kind.NULL };
  if (Array.isArray(value)) return { kind: Kind.LIST, values: value.map(objectNode) };
  if (typeof value === 'object') {
    const fields = Object.entries(value).map(([key, inner]) => ({
      kind: Kind.OBJECT_FIELD,
      name: name(key),
      value: objectNode(inner),
    }));
    return { kind: Kind.OBJECT, fields };
  }
  if (typeof value === 'number') return number(value);
  if (typeof value === 'boolean') return { kind: Kind.BOOLEAN, value };
  return string(value);
}
