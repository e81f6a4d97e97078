// The frame: who is at the desk, what they may do, and which of the two pages is open.

import { useState } from 'react';
import { useQuery } from 'urql';
import { Link, Route, Switch } from 'wouter';
import { CustomerPage } from './Customer';
import { graphql } from './gql';
import { Permissions, Title } from './Page';
import { Problem } from './Problem';
import { QueuePage } from './Queue';

const VIEWER = graphql(`
  query Viewer {
    viewer {
      subject
      permissions
    }
  }
`);

export function App() {
  const [{ data, error }, again] = useQuery({ query: VIEWER });
  const viewer = data?.viewer;
  // A search can hold a name: it stays in memory, out of the address and so out of the browser's history.
  const [search, setSearch] = useState('');
  return (
    <>
      <header className="top">
        <Link href="/" className="brand">
          <img src="/icon.svg" alt="" width="24" height="24" />
          Review desk
        </Link>
        <span className="quiet">{viewer && (viewer.subject ?? 'Anonymous in the sandbox')}</span>
      </header>
      <main>
        {error && !viewer && <Problem what="Who you are is not known." error={error} retry={again} />}
        {viewer && (
          <Permissions value={viewer.permissions}>
            <Switch>
              <Route path="/">
                <QueuePage search={search} onSearch={setSearch} />
              </Route>
              <Route path="/customers/:id">{({ id }) => <CustomerPage key={id} id={id} />}</Route>
              <Route>
                <Title>There is no such page</Title>
                <Link href="/">To the queue</Link>
              </Route>
            </Switch>
          </Permissions>
        )}
      </main>
    </>
  );
}
