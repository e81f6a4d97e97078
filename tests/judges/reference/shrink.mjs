// Makes a document smaller while it fails in the same way.

import { Kind, Lexer, Source, TokenKind, parse, print, visit } from 'graphql';

const LISTS = ['definitions', 'selections', 'arguments', 'directives', 'variableDefinitions', 'values', 'fields'];

/** `fails` returns whether a request still fails. */
export async function shrink(request, fails) {
  let smallest = request;
  for (let progress = true; progress;) {
    progress = false;
    for (const text of candidates(smallest.text)) {
      if (text.length >= smallest.text.length || !(await fails({ ...smallest, text }))) continue;
      smallest = { ...smallest, text };
      progress = true;
      break;
    }
  }
  for (const key of Object.keys(smallest.variables)) {
    const { [key]: _, ...variables } = smallest.variables;
    if (await fails({ ...smallest, variables })) smallest = { ...smallest, variables };
  }
  return smallest;
}

function* candidates(text) {
  let document;
  try {
    document = parse(text);
  } catch {
    yield* fewerTokens(text);
    return;
  }
  yield* smaller(document);
  yield* shorter(text, document);
}

/** Removes tokens from a text that is not valid GraphQL: many at first, then fewer. */
function* fewerTokens(text) {
  const tokens = [];
  try {
    const lexer = new Lexer(new Source(text));
    while (lexer.advance().kind !== TokenKind.EOF) tokens.push(text.slice(lexer.token.start, lexer.token.end));
  } catch {
    return;
  }
  for (let size = Math.floor(tokens.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < tokens.length; at += Math.max(1, size >> 1))
      yield [...tokens.slice(0, at), ...tokens.slice(at + size)].join(' ');
  }
}

/** Prints the document, then removes one part after the other, large parts first. */
function* smaller(document) {
  yield print(document);
  yield withoutUnused(document);
  for (const { node, key, value } of reductions(document)) {
    const whole = node[key];
    node[key] = value;
    const texts = [withoutUnused(document), print(document)];
    node[key] = whole;
    yield* texts;
  }
}

/** Removes one part of the text after the other, with the spelling of the rest unchanged; then unusual separators. */
function* shorter(text, document) {
  const cut = (from, { start, end }) => `${from.slice(0, start)} ${from.slice(end)}`;
  const parts = [];
  visit(document, {
    enter(node) {
      for (const key of ['definitions', 'selections', 'directives']) parts.push(...(node[key] ?? []));
    },
  });
  parts.sort((one, other) => other.loc.end - other.loc.start - (one.loc.end - one.loc.start));
  for (const part of parts) yield unusedCut(cut(text, part.loc));
  const gaps = [];
  for (let token = document.loc.startToken; token.next; token = token.next) {
    if (token.next.start - token.end > 1) gaps.push({ start: token.end, end: token.next.start });
  }
  for (let size = gaps.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < gaps.length; at += size) yield gaps.slice(at, at + size).reduceRight(cut, text);
  }

  function unusedCut(shortened) {
    try {
      const { used, definitions } = uses(parse(shortened));
      return definitions
        .filter(({ name }) => !used.has(name))
        .reduceRight((from, { loc }) => cut(from, loc), shortened);
    } catch {
      return shortened;
    }
  }
}

/** The used fragments and variables, and all definitions in the order of the text. */
function uses(document) {
  const used = new Set();
  const definitions = [];
  visit(document, {
    FragmentSpread: (node) => void used.add(node.name.value),
    FragmentDefinition: (node) => void definitions.push({ name: node.name.value, loc: node.loc }),
    Variable: (node, _key, parent) => {
      if (parent.kind === Kind.VARIABLE_DEFINITION) definitions.push({ name: `$${node.name.value}`, loc: parent.loc });
      else used.add(`$${node.name.value}`);
    },
  });
  return { used, definitions };
}

/** The possible replacements of parts of the document, as `{ node, key, value }`. */
function reductions(document) {
  const found = [];
  const fragments = new Map(
    document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION).map((node) => [node.name.value, node]),
  );
  visit(document, {
    enter(node) {
      for (const key of LISTS) {
        for (const item of node[key] ?? []) {
          const replaced = (items) => node[key].flatMap((other) => (other === item ? items : [other]));
          found.push({ size: item.loc.end - item.loc.start, node, key, value: replaced([]) });
          const fragment = item.kind === Kind.FRAGMENT_SPREAD ? fragments.get(item.name.value) : undefined;
          const { selectionSet, typeCondition } = fragment ?? item;
          if (fragment) {
            found.push({
              size: 5,
              node,
              key,
              value: replaced([{ kind: Kind.INLINE_FRAGMENT, typeCondition, selectionSet }]),
            });
          }
          if (fragment || item.kind === Kind.INLINE_FRAGMENT) {
            found.push({ size: 5, node, key, value: replaced(selectionSet.selections) });
          }
        }
      }
      for (const key of ['alias', 'defaultValue']) if (node[key]) found.push({ size: 0, node, key });
      if (node.kind === Kind.OPERATION_DEFINITION && node.name) found.push({ size: 0, node, key: 'name' });
    },
  });
  return found
    .filter(({ key, value }) => key !== 'selections' || value.length > 0)
    .sort((one, other) => other.size - one.size);
}

/** The document without unused fragments and variables. */
function withoutUnused(document) {
  const { used } = uses(document);
  return print(
    visit(document, {
      FragmentDefinition: (node) => (used.has(node.name.value) ? undefined : null),
      VariableDefinition: (node) => (used.has(`$${node.variable.name.value}`) ? undefined : null),
    }),
  );
}
