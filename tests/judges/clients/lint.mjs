// graphql-eslint on schema.graphql: `schema-recommended` and `schema-relay`, as eslint.config.mjs sets them.

import { ESLint } from 'eslint';
import { expect, expectEqual, finish } from '../report.mjs';
import config from './eslint.config.mjs';

const eslint = new ESLint();
const [{ messages }] = await eslint.lintFiles(['schema.graphql']);
const found = messages.map(({ line, ruleId, message }) => `${line} ${ruleId} ${message}`);
expect('schema.graphql has nothing against it', found.length === 0, found);

const rules = Object.entries(config[0].rules);
expect('rules were on', rules.filter(([, level]) => level !== 'off').length >= 20, rules);

// Rules that find nothing prove something only where they can find.
const planted = 'type Query { getThing: thing }\ntype thing { id: ID! }\ntype ThingConnection { edges: [String] }\n';
const seen = new Set((await eslint.lintText(planted, { filePath: 'planted.graphql' }))[0].messages.map(({ ruleId }) => ruleId));
const wanted = ['naming-convention', 'relay-connection-types', 'require-description'].map((name) => `@graphql-eslint/${name}`);
expectEqual('a broken schema is seen', wanted.filter((rule) => !seen.has(rule)), []);
finish('graphql-eslint');
