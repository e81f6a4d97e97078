// Changes to a document that usually make it invalid, and other spellings of the same document. A change returns
// undefined if it does not apply to a document. graphql-js decides whether the result is still valid.

import { Kind, Lexer, Source, TokenKind, isCompositeType, isInputObjectType, parseType, print, visit } from 'graphql';

const name = (value) => ({ kind: Kind.NAME, value });
const copy = (node) => structuredClone(node);
const spread = (value) => ({ kind: Kind.FRAGMENT_SPREAD, name: name(value), directives: [] });
const field = (value, alias, selections) => ({
  kind: Kind.FIELD,
  name: name(value),
  alias: alias && name(alias),
  arguments: [],
  directives: [],
  selectionSet: selections && { kind: Kind.SELECTION_SET, selections },
});
const inline = (on, selections) => ({
  kind: Kind.INLINE_FRAGMENT,
  typeCondition: on && { kind: Kind.NAMED_TYPE, name: name(on) },
  directives: [],
  selectionSet: { kind: Kind.SELECTION_SET, selections },
});

/** All nodes of some kinds. Callers change them in place, because the document is a copy. */
function nodes(document, ...kinds) {
  const found = [];
  visit(document, { enter: (node) => void (kinds.includes(node.kind) && found.push(node)) });
  return found;
}

const literals = [Kind.INT, Kind.FLOAT, Kind.STRING, Kind.BOOLEAN, Kind.NULL, Kind.ENUM, Kind.LIST, Kind.OBJECT];
const replaceBy = (node, other) => {
  for (const key of Object.keys(node)) delete node[key];
  Object.assign(node, copy(other));
};
const someValue = (random) =>
  random.pick([
    { kind: Kind.INT, value: random.pick(['1', '0', '-3', '2147483648', '99999999999999999999']) },
    { kind: Kind.FLOAT, value: random.pick(['1.5', '1e3', '1.0']) },
    { kind: Kind.STRING, value: random.pick(['text', '', '1', 'ASC']) },
    { kind: Kind.BOOLEAN, value: true },
    { kind: Kind.NULL },
    { kind: Kind.ENUM, value: random.pick(['ASC', 'NAME', 'REVIEW', 'NOBODY_KNOWS_IT']) },
    { kind: Kind.LIST, values: [] },
    { kind: Kind.LIST, values: [{ kind: Kind.INT, value: '1' }, { kind: Kind.NULL }] },
    { kind: Kind.OBJECT, fields: [] },
    {
      kind: Kind.OBJECT,
      fields: [{ kind: Kind.OBJECT_FIELD, name: name('name'), value: { kind: Kind.STRING, value: 'a' } }],
    },
    { kind: Kind.VARIABLE, name: name('nowhere') },
  ]);
const variableType = (random) =>
  parseType(
    random.pick([
      'Int',
      'Int!',
      'String',
      'ID',
      'ID!',
      '[ID!]',
      '[ID!]!',
      'Boolean',
      'CustomerFilter',
      'Customer',
      'Unknown',
      'SortOrder',
      '[[ID]]',
      'Float',
      'CustomerSort!',
    ]),
  );

/** The changes by name: `(random, document, schema) => changed or undefined`. The document is a copy. */
export const changes = {
  renamed_field(random, document, schema) {
    const fields = nodes(document, Kind.FIELD);
    if (fields.length === 0) return undefined;
    const types = Object.values(schema.getTypeMap()).filter((type) => type.getFields && isCompositeType(type));
    random.pick(fields).name = name(
      random.pick([...Object.keys(random.pick(types).getFields()), 'unknown', '__typename', '__schema']),
    );
    return document;
  },
  literal(random, document) {
    const values = nodes(document, ...literals);
    if (values.length === 0) return undefined;
    replaceBy(random.pick(values), someValue(random));
    return document;
  },
  list_and_single_value(random, document) {
    const values = nodes(document, ...literals);
    if (values.length === 0) return undefined;
    const node = random.pick(values);
    if (node.kind === Kind.LIST && node.values.length > 0) replaceBy(node, node.values[0]);
    else replaceBy(node, { kind: Kind.LIST, values: [copy(node)] });
    return document;
  },
  enum_in_quotes(random, document) {
    const values = nodes(document, Kind.ENUM, Kind.STRING);
    if (values.length === 0) return undefined;
    const node = random.pick(values);
    if (node.kind === Kind.ENUM) replaceBy(node, { kind: Kind.STRING, value: node.value });
    else if (/^[A-Za-z_]\w*$/.test(node.value)) replaceBy(node, { kind: Kind.ENUM, value: node.value });
    return document;
  },
  /** Gives one field the alias of another field's name. */
  conflicting_alias(random, document) {
    const selections = nodes(document, Kind.SELECTION_SET)
      .flatMap(({ selections: all }) => [all.filter(({ kind }) => kind === Kind.FIELD)])
      .filter((all) => all.length > 1);
    if (selections.length === 0) return undefined;
    const all = random.pick(selections);
    const [one, other] = [random.pick(all), random.pick(all)];
    one.alias = name((other.alias ?? other.name).value);
    return document;
  },
  /** Repeats a response key in its own fragment, with other arguments, other fields below, or neither. */
  repeated_key_in_fragment(random, document, schema) {
    const sets = nodes(document, Kind.SELECTION_SET).filter(({ selections }) =>
      selections.some(({ kind }) => kind === Kind.FIELD),
    );
    if (sets.length === 0) return undefined;
    const set = random.pick(sets);
    const again = copy(random.pick(set.selections.filter(({ kind }) => kind === Kind.FIELD)));
    const values = nodes({ kind: Kind.FIELD, ...again, selectionSet: undefined }, ...literals);
    if (values.length > 0 && random.chance(0.8)) {
      const value = random.pick(values);
      if (value.kind === Kind.STRING)
        value.value = random.pick([`${value.value}0`, '0190b2de-7c11-7c3a-8f10-000000000002']);
      else if (value.kind === Kind.INT) value.value = String(Number(value.value) + 1);
      else if (value.kind === Kind.LIST)
        value.values.push(
          ...(value.values.length > 0 ? [copy(value.values.at(-1))] : [{ kind: Kind.STRING, value: 'more' }]),
        );
      else if (value.kind === Kind.OBJECT && value.fields.length > 0)
        random.chance(0.5) ? value.fields.pop() : value.fields.reverse();
      else replaceBy(value, someValue(random));
    } else if (again.selectionSet) {
      const leaves = nodes(again.selectionSet, Kind.FIELD).filter(({ selectionSet }) => !selectionSet);
      if (leaves.length > 0) {
        const leaf = random.pick(leaves);
        leaf.alias = name((leaf.alias ?? leaf.name).value);
        leaf.name = name(
          random.pick(['id', 'name', 'email', 'phone', 'decision', 'reviewId', 'code', 'ein', 'dob', '__typename']),
        );
      }
    }
    const conditions = [
      undefined,
      'Query',
      'Customer',
      'Node',
      ...Object.values(schema.getTypeMap())
        .filter(isCompositeType)
        .map((type) => type.name),
    ];
    const on = random.chance(0.8) ? random.pick(conditions.slice(0, 4)) : random.pick(conditions);
    const place = random.chance(0.5) ? 0 : set.selections.length;
    if (random.chance(0.35) && on) {
      const fragment = `Again${random.between(0, 99)}`;
      document.definitions.push({
        kind: Kind.FRAGMENT_DEFINITION,
        name: name(fragment),
        typeCondition: { kind: Kind.NAMED_TYPE, name: name(on) },
        directives: [],
        selectionSet: { kind: Kind.SELECTION_SET, selections: [again] },
      });
      set.selections.splice(place, 0, spread(fragment));
    } else set.selections.splice(place, 0, random.chance(0.2) ? again : inline(on, [again]));
    return document;
  },
  /** Gives a list a response key with the same prefix as the other list under it. */
  list_with_equal_prefix(random, document) {
    const sets = nodes(document, Kind.SELECTION_SET);
    const places = sets.flatMap((set) =>
      set.selections
        .filter((node) => node.kind === Kind.FIELD && nodes({ ...node, selectionSet: undefined }, Kind.LIST).length > 0)
        .map((node) => ({ set, node })),
    );
    if (places.length === 0) return undefined;
    const { set, node } = random.pick(places);
    const again = copy(node);
    const list = random.pick(nodes({ ...again, selectionSet: undefined }, Kind.LIST));
    if (list.values.length > 0 && random.chance(0.5)) list.values.pop();
    else list.values.push(list.values.length > 0 ? copy(list.values.at(-1)) : { kind: Kind.STRING, value: 'more' });
    set.selections.push(again);
    return document;
  },
  misplaced_spread(random, document) {
    const fragments = nodes(document, Kind.FRAGMENT_DEFINITION);
    const sets = nodes(document, Kind.SELECTION_SET);
    const on = random.pick([
      'Customer',
      'IdentityReview',
      'Query',
      'Node',
      'ComplianceProfile',
      'Mutation',
      'MutationPayload',
      'Int',
      'Nothing',
      'CustomerFilter',
    ]);
    random
      .pick(sets)
      .selections.push(
        fragments.length > 0 && random.chance(0.7)
          ? spread(random.pick(fragments).name.value)
          : inline(on, [field('__typename')]),
      );
    return document;
  },
  fragment_cycle(random, document) {
    const fragments = nodes(document, Kind.FRAGMENT_DEFINITION);
    if (fragments.length === 0) return undefined;
    const [one, other] = [random.pick(fragments), random.pick(fragments)];
    random.pick(nodes(one, Kind.SELECTION_SET)).selections.push(spread(other.name.value));
    return document;
  },
  unused_or_unknown_fragment(random, document) {
    if (random.chance(0.5)) {
      random.pick(nodes(document, Kind.SELECTION_SET)).selections.push(spread('Unknown'));
      return document;
    }
    document.definitions.push({
      kind: Kind.FRAGMENT_DEFINITION,
      name: name(random.pick(['Unused', 'Fragment0'])),
      typeCondition: { kind: Kind.NAMED_TYPE, name: name('Customer') },
      directives: [],
      selectionSet: { kind: Kind.SELECTION_SET, selections: [field(random.pick(['id', 'unknown']))] },
    });
    return document;
  },
  type_condition(random, document, schema) {
    const conditions = nodes(document, Kind.INLINE_FRAGMENT, Kind.FRAGMENT_DEFINITION);
    if (conditions.length === 0) return undefined;
    const types = [...Object.keys(schema.getTypeMap()), 'Nothing'];
    random.pick(conditions).typeCondition = { kind: Kind.NAMED_TYPE, name: name(random.pick(types)) };
    return document;
  },
  duplicate_input_field(random, document) {
    const objects = nodes(document, Kind.OBJECT).filter(({ fields }) => fields.length > 0);
    if (objects.length === 0) return undefined;
    const { fields } = random.pick(objects);
    const again = copy(random.pick(fields));
    if (random.chance(0.5)) again.value = someValue(random);
    fields.push(again);
    return document;
  },
  input_field(random, document, schema) {
    const objects = nodes(document, Kind.OBJECT);
    if (objects.length === 0) return undefined;
    const { fields } = random.pick(objects);
    const types = Object.values(schema.getTypeMap()).filter(isInputObjectType);
    const key = random.pick(Object.keys(random.pick(types).getFields()));
    const kind = random.between(0, 2);
    if (kind === 0 && fields.length > 0) fields.splice(random.between(0, fields.length - 1), 1);
    else if (kind === 1 && fields.length > 0) random.pick(fields).name = name(key);
    else fields.push({ kind: Kind.OBJECT_FIELD, name: name(key), value: someValue(random) });
    return document;
  },
  missing_unknown_or_duplicate_argument(random, document) {
    const kind = random.between(0, 2);
    const places = nodes(document, Kind.FIELD, Kind.DIRECTIVE).filter(
      (node) => kind === 2 || node.arguments?.length > 0,
    );
    if (places.length === 0) return undefined;
    const place = random.pick(places);
    if (kind === 0) place.arguments = place.arguments.filter((one) => one !== place.arguments[0]);
    else if (kind === 1) place.arguments = [...place.arguments, copy(random.pick(place.arguments))];
    else
      place.arguments = [
        ...(place.arguments ?? []),
        { kind: Kind.ARGUMENT, name: name(random.pick(['id', 'unknown', 'if', 'first'])), value: someValue(random) },
      ];
    return document;
  },
  directive(random, document) {
    const places = nodes(
      document,
      Kind.FIELD,
      Kind.INLINE_FRAGMENT,
      Kind.FRAGMENT_SPREAD,
      Kind.FRAGMENT_DEFINITION,
      Kind.OPERATION_DEFINITION,
      Kind.VARIABLE_DEFINITION,
    );
    const place = random.pick(places);
    const value = random.pick([
      { kind: Kind.BOOLEAN, value: true },
      { kind: Kind.BOOLEAN, value: false },
      { kind: Kind.STRING, value: 'true' },
      { kind: Kind.NULL },
      { kind: Kind.INT, value: '1' },
      { kind: Kind.VARIABLE, name: name('v0') },
    ]);
    const argument = { kind: Kind.ARGUMENT, name: name(random.pick(['if', 'if', 'if', 'reason'])), value };
    const directive = {
      kind: Kind.DIRECTIVE,
      name: name(
        random.pick([
          'include',
          'skip',
          'include',
          'skip',
          'deprecated',
          'oneOf',
          'pii',
          'unknown',
          'specifiedBy',
          'defer',
        ]),
      ),
      arguments: random.chance(0.9) ? [argument] : [],
    };
    place.directives = [...(place.directives ?? []), directive];
    if (random.chance(0.2)) place.directives.push(copy(directive));
    return document;
  },
  operation_name_or_kind(random, document) {
    const operations = nodes(document, Kind.OPERATION_DEFINITION);
    const kind = random.between(0, 3);
    const operation = random.pick(operations);
    if (kind === 0) delete operation.name;
    else if (kind === 1) operation.name = name(random.pick(['Operation0', 'Fragment0', 'query']));
    else if (kind === 2)
      document.definitions.push({ ...copy(operation), name: random.chance(0.5) ? undefined : name('Other') });
    else operation.operation = random.pick(['mutation', 'subscription', 'query']);
    return document;
  },
  selection_set_on_leaf_or_missing(random, document) {
    const fields = nodes(document, Kind.FIELD);
    const one = random.pick(fields);
    if (one.selectionSet) delete one.selectionSet;
    else one.selectionSet = { kind: Kind.SELECTION_SET, selections: [field(random.pick(['id', '__typename']))] };
    return document;
  },
  variable_type(random, document) {
    const definitions = nodes(document, Kind.VARIABLE_DEFINITION);
    if (definitions.length === 0) return undefined;
    const definition = random.pick(definitions);
    const kind = random.between(0, 3);
    if (kind === 0) definition.type = variableType(random);
    else if (kind === 1) {
      definition.type =
        definition.type.kind === Kind.NON_NULL_TYPE
          ? definition.type.type
          : { kind: Kind.NON_NULL_TYPE, type: definition.type };
    } else if (kind === 2) {
      definition.type =
        definition.type.kind === Kind.LIST_TYPE
          ? definition.type.type
          : { kind: Kind.LIST_TYPE, type: definition.type };
    } else if (random.chance(0.5))
      definition.defaultValue = random.pick([
        { kind: Kind.NULL },
        { kind: Kind.INT, value: '1' },
        { kind: Kind.STRING, value: 'x' },
        { kind: Kind.LIST, values: [{ kind: Kind.NULL }] },
      ]);
    else delete definition.defaultValue;
    return document;
  },
  unused_undefined_or_duplicate_variable(random, document) {
    const operation = random.pick(nodes(document, Kind.OPERATION_DEFINITION));
    const definitions = operation.variableDefinitions ?? [];
    const kind = random.between(0, 2);
    if (kind === 0) {
      operation.variableDefinitions = [
        ...definitions,
        {
          kind: Kind.VARIABLE_DEFINITION,
          variable: { kind: Kind.VARIABLE, name: name('unused') },
          type: variableType(random),
          directives: [],
        },
      ];
    } else if (definitions.length === 0) return undefined;
    else if (kind === 1) operation.variableDefinitions = definitions.slice(1);
    else operation.variableDefinitions = [...definitions, copy(random.pick(definitions))];
    return document;
  },
  /** Replaces any literal with a variable. */
  variable_for_literal(random, document) {
    const values = nodes(document, ...literals);
    const definitions = nodes(document, Kind.VARIABLE_DEFINITION);
    if (values.length === 0 || definitions.length === 0) return undefined;
    replaceBy(random.pick(values), { kind: Kind.VARIABLE, name: copy(random.pick(definitions).variable.name) });
    return document;
  },
  typename_with_extras(random, document) {
    const node = field('__typename', random.pick([undefined, 'a', 'id', 'name', '__typename']));
    const kind = random.between(0, 3);
    if (kind === 0) node.arguments = [{ kind: Kind.ARGUMENT, name: name('id'), value: { kind: Kind.INT, value: '1' } }];
    else if (kind === 1) node.selectionSet = { kind: Kind.SELECTION_SET, selections: [field('id')] };
    else if (kind === 2) node.directives = [{ kind: Kind.DIRECTIVE, name: name('unknown'), arguments: [] }];
    random.pick(nodes(document, Kind.SELECTION_SET)).selections.push(node);
    return document;
  },
  type_definition(random, document) {
    document.definitions.push({ kind: Kind.SCALAR_TYPE_DEFINITION, name: name('Own'), directives: [] });
    return document;
  },
  /** Gives any two fields of one object the same response key. */
  two_fields_under_one_alias(random, document) {
    const sets = nodes(document, Kind.SELECTION_SET);
    const set = random.pick(sets);
    const fields = set.selections.filter(({ kind, selectionSet }) => kind === Kind.FIELD && !selectionSet);
    if (fields.length === 0) return undefined;
    const word = random.pick(['d', (fields[0].alias ?? fields[0].name).value]);
    const one = field(random.pick(fields).name.value, word);
    const other = field(
      random.pick(['id', 'name', 'email', 'decision', 'reviewId', 'createdAt', 'codes', 'riskScore', 'ein', 'ssn']),
      word,
    );
    set.selections.push(
      random.chance(0.5) ? one : inline(undefined, [one]),
      random.chance(0.5) ? other : inline(undefined, [other]),
    );
    return document;
  },
};

/** The changes that are more or less frequent than others. */
const OFTEN = {
  repeated_key_in_fragment: 4,
  list_with_equal_prefix: 2,
  two_fields_under_one_alias: 2,
  variable_for_literal: 2,
  variable_type: 2,
  duplicate_input_field: 2,
  list_and_single_value: 2,
  renamed_field: 0.5,
  selection_set_on_leaf_or_missing: 0.5,
  type_definition: 0.3,
};

/** Another text of the same document: commas, comments, line ends, escapes, block strings, descriptions. */
export function rewriteText(random, text) {
  const parts = [];
  let depth = 0;
  let before;
  for (const token of tokens(text)) {
    const said = text.slice(token.start, token.end);
    if (
      depth === 0 &&
      token.kind === TokenKind.NAME &&
      ['query', 'mutation', 'fragment'].includes(token.value) &&
      (before === undefined || before.kind === TokenKind.BRACE_R)
    ) {
      if (random.chance(0.15)) parts.push(random.pick(['"about it"', '"""\n  about "it"\n  """', '""']), ' ');
    }
    // Outside of braces a `$` begins the definition of a variable, unless it is the value of an argument.
    if (
      depth === 0 &&
      token.kind === TokenKind.DOLLAR &&
      ![TokenKind.COLON, TokenKind.BRACKET_L].includes(before?.kind)
    ) {
      if (random.chance(0.1)) parts.push('"of a variable" ');
    }
    if (token.kind === TokenKind.BRACE_L) depth += 1;
    if (token.kind === TokenKind.BRACE_R) depth -= 1;
    parts.push(token.kind === TokenKind.STRING ? stringSpelling(random, token.value) : said);
    parts.push(
      random.weighted([
        [10, ' '],
        [1, ', '],
        [1, '\n'],
        [0.5, '\r\n'],
        [0.5, ' # "a comment" {\n'],
        [0.5, '\t,,'],
        [0.3, '\ufeff'],
      ]),
    );
    before = token;
  }
  return (random.chance(0.05) ? '\ufeff' : '') + parts.join('');
}

/** Another spelling of a string: escapes of all kinds, or a block string. */
function stringSpelling(random, value) {
  const units = Array.from({ length: value.length }, (_, at) => value.charCodeAt(at));
  const escaped = (one) =>
    random.chance(0.3) ? `\\u{${one.codePointAt(0).toString(16)}}` : JSON.stringify(one).slice(1, -1);
  switch (random.between(0, 4)) {
    case 0:
      return `"${[...value].map(escaped).join('')}"`;
    case 1:
      return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')}"`;
    case 2:
      if (!/^[^\s"\\][^"\\\n\r]*[^\s"\\]$/.test(value)) return JSON.stringify(value);
      return `"""${random.pick(['', '\n    '])}${value}${random.pick(['', '\n  '])}"""`;
    default:
      return JSON.stringify(value);
  }
}

function tokens(text) {
  const lexer = new Lexer(new Source(text));
  const found = [];
  for (;;) {
    const token = lexer.advance();
    if (token.kind === TokenKind.EOF) return found;
    found.push(token);
  }
}

const TOKENS = '{ } ( ) [ ] : ! $ @ ... | & = on fragment "x" 1 null true - " """ ? .. %'.split(' ');
/** Valid and invalid numbers, strings, names and characters at the limits of the lexical grammar. */
const LEXEMES = [
  ...['00', '01', '1.', '.5', '1e', '-', '0x1', '1_0', '1a', '-0', '1E+2', '0.0e-0', '$', '$ v0'],
  ...['"\\q"', '"\\u{110000}"', '"\\uD800"', '"\\u{D800}"', '"\\u12"', '"a\nb"', '"""a\\"""b"""', '"\u0007"'],
  ...['"\\u{1F600}"', '"\\uD83D\\uDE00"', '"\\uDE00\\uD83D"', '\u0000', '\u00e9', 'a\u00e9'],
];
const ENDS = [
  ...['{', '}', '"x"', 'x', '#', '"""x"""', ',', '\ufeff', 'query', '{ viewer { subject } }'],
  ...['extend type Query { x: Int }', 'fragment on on Query { __typename }'],
];

/** Changes the tokens or characters of a text. The result is usually invalid. */
export function corruptText(random, text) {
  const found = tokens(text);
  const at = random.between(0, found.length - 1);
  const token = found[at];
  const [head, said, tail] = [text.slice(0, token.start), text.slice(token.start, token.end), text.slice(token.end)];
  switch (random.between(0, 8)) {
    case 0:
      return `${head} ${tail}`;
    case 1:
      return `${head}${said} ${said}${tail}`;
    case 2:
      return `${head}${random.pick(TOKENS)} ${said}${tail}`;
    case 3:
      return text.slice(0, random.between(1, text.length));
    case 4: {
      const other = random.pick(found);
      return `${head}${text.slice(other.start, other.end)}${tail}`;
    }
    case 5:
      return `${head}${random.pick(LEXEMES)}${tail}`;
    case 6: {
      // A name without the value that belongs to it.
      const ends = found.filter(({ kind }) => [TokenKind.PAREN_R, TokenKind.BRACE_R].includes(kind));
      const end = ends.length > 0 ? random.pick(ends).start : token.start;
      return `${text.slice(0, end)} ${random.pick(['id', 'reason', 'if', 'name', 'first'])} ${text.slice(end)}`;
    }
    case 7:
      return `${text} ${random.pick(ENDS)}`;
    default:
      return `${random.pick(['"x" ', '"""x""" ', 'query ', '\ufeff', '#\n', ', ', 'type X { a: Int } '])}${text}`;
  }
}

/** Applies some changes to a document. Returns the text and the names of the changes. */
export function mutate(random, { document, variables, operationName }, schema) {
  const done = [];
  let text;
  let changed = copy(document);
  if (random.chance(0.45)) {
    const kinds = Object.keys(changes);
    for (
      let left = random.weighted([
        [6, 1],
        [3, 2],
        [1, 3],
      ]);
      left > 0;
      left -= 1
    ) {
      const kind = random.weighted(kinds.map((one) => [OFTEN[one] ?? 1, one]));
      const result = changes[kind](random, copy(changed), schema);
      if (result === undefined) continue;
      changed = result;
      done.push(kind);
    }
  }
  text = print(changed);
  if (random.chance(0.3)) {
    try {
      text = rewriteText(random, text);
    } catch {
      // A change has inserted a word for which the printer makes text that cannot be parsed.
    }
  }
  if (random.chance(0.06)) {
    try {
      text = corruptText(random, text);
      done.push('corrupted_text');
    } catch {
      // As above.
    }
  }
  return { text, variables, operationName, done };
}
