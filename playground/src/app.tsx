import { explorerPlugin } from '@graphiql/plugin-explorer';
import { useMonaco } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { useEffect, useMemo, useState } from 'react';

import { fetcherWith, whoAmI, type Callers, type Upstream, type UpstreamReport, type Who } from './gateway';
import { Header } from './header';
import { keeping, lastOpen } from './kept';
import { teachingTabs } from './tabs';

const plugins = [explorerPlugin({ showAttribution: false })];

/** Where there is no room, variables are a tap away. */
const isNarrow = window.matchMedia('(max-width: 760px)').matches;

export function App({ upstream, callers }: { upstream: Upstream; callers: Callers }) {
  // The token lives here and in the requests, and nowhere else.
  const [token, setToken] = useState('');
  const [who, setWho] = useState<Who>();
  const [report, setReport] = useState<UpstreamReport | null>();

  const fetcher = useMemo(() => fetcherWith(token, setReport), [token]);
  const storage = useMemo(() => keeping(upstream), [upstream]);
  const tabs = useMemo(() => teachingTabs(upstream), [upstream]);
  const open = useMemo(() => lastOpen(storage) ?? tabs[0], [storage, tabs]);

  // Long lines are read, not pushed to and fro.
  const monaco = useMonaco((state) => state.monaco);
  useEffect(() => {
    if (!monaco) return;
    const wrap = (editor: { updateOptions(options: { wordWrap: 'on' }): void }) => editor.updateOptions({ wordWrap: 'on' });
    // Those that GraphiQL has made by now, and those that it makes later.
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
          {/* GraphiQL's own logo is a link to another site. */}
          <GraphiQL.Logo>{null}</GraphiQL.Logo>
        </GraphiQL>
      </main>
    </div>
  );
}
