// Runs graphql-eslint on schema.graphql with the rules of eslint.config.mjs (`schema-recommended`, `schema-relay`).

import { ESLint } from 'eslint';
import { expect, expectEqual, finish } from '../report.mjs';
import config from './eslint.config.mjs';

const eslint = new ESLint();
const [{ messages }] = await eslint.lintFiles(['schema.graphql']);
const found = messages.map(({ line, ruleId, message }) => `${line} ${ruleId} ${message}`);
expect('schema.graphql has no lint errors', found.length === 0, found);

const rules = Object.entries(config[0].rules);
expect('enough rules are on', rules.filter(([, level]) => level !== 'off').length >= 20, rules);

// Checks that the rules can fail.
const planted = 'type Query { getThing: thing }\ntype thing { id: ID! }\ntype ThingConnection { edges: [String] }\n';
const seen = new Set((await eslint.lintText(planted, { filePath: 'planted.graphql' }))[0].messages.map(({ ruleId }) => ruleId));
const wanted = ['naming-convention', 'relay-connection-types', 'require-description'].map((name) => `@graphql-eslint/${name}`);
expectEqual('the rules find errors in a broken schema', wanted.filter((rule) => !seen.has(rule)), []);
finish('graphql-eslint');
