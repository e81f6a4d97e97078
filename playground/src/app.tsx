import { explorerPlugin } from '@graphiql/plugin-explorer';
import { useMonaco } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { useEffect, useMemo, useState } from 'react';

import { fetcherWith, whoAmI, type Callers, type Upstream, type UpstreamReport, type Who } from './gateway';
import { Header } from './header';
import { createStorage, lastOpen } from './storage';
import { teachingTabs } from './tabs';

const plugins = [explorerPlugin({ showAttribution: false })];

/** On narrow screens the variables editor starts closed. */
const isNarrow = window.matchMedia('(max-width: 760px)').matches;

export function App({ upstream, callers }: { upstream: Upstream; callers: Callers }) {
  // The token exists only in this state and in request headers.
  const [token, setToken] = useState('');
  const [who, setWho] = useState<Who>();
  const [report, setReport] = useState<UpstreamReport | null>();

  const fetcher = useMemo(() => fetcherWith(token, setReport), [token]);
  const storage = useMemo(() => createStorage(upstream), [upstream]);
  const tabs = useMemo(() => teachingTabs(upstream), [upstream]);
  const open = useMemo(() => lastOpen(storage) ?? tabs[0], [storage, tabs]);

  // Wrap long lines in every editor.
  const monaco = useMonaco((state) => state.monaco);
  useEffect(() => {
    if (!monaco) return;
    const wrap = (editor: { updateOptions(options: { wordWrap: 'on' }): void }) => editor.updateOptions({ wordWrap: 'on' });
    // Editors that exist now, then editors that GraphiQL creates later.
    monaco.editor.getEditors().forEach(wrap);
    const listening = monaco.editor.onDidCreateEditor(wrap);
    return () => listening.dispose();
  }, [monaco]);

  useEffect(() => {
    let current = true;
    setWho(undefined);
    void whoAmI(token).then((who) => current && setWho(who));
    return () => {
      current = false;
    };
  }, [token]);

  return (
    <div className="graphiql-container playground">
      <Header upstream={upstream} callers={callers} who={who} report={report} token={token} onToken={setToken} />
      <main className="playground-main" aria-label="GraphiQL">
        <GraphiQL
          fetcher={fetcher}
          storage={storage}
          plugins={plugins}
          defaultTabs={tabs}
          {...(open && { initialQuery: open.query, initialVariables: open.variables })}
          defaultEditorToolsVisibility={isNarrow ? false : 'variables'}
          shouldPersistHeaders={false}
          showPersistHeadersSettings={false}
        >
          {/* Removes GraphiQL's own logo, which links to another site. */}
          <GraphiQL.Logo>{null}</GraphiQL.Logo>
        </GraphiQL>
      </main>
    </div>
  );
}
