// The page of one customer: the reasons of the screening first, then its checks, the decision and the profile.
// The operation costs one upstream call.

import { useQuery } from 'urql';
import { Link } from 'wouter';
import { BYPASS_CACHES } from './client';
import { Decide } from './Decide';
import { graphql, read, type DocumentType } from './gql';
import { Since, Status } from './Marks';
import { Title, useMay } from './Page';
import { Problem } from './Problem';
import { Profile } from './Profile';
import { HEAD } from './Row';
import { Screening } from './Screening';
import { TYPE, day } from './words';

const CUSTOMER = graphql(`
  query Customer($id: ID!, $withReview: Boolean!) {
    customer(id: $id) {
      id
      ...Head
      ...Profile
      review @include(if: $withReview) {
        identity {
          ...Screening
        }
      }
    }
  }
`);

export function CustomerPage({ id }: { id: string }) {
  const withReview = useMay('REVIEWS_READ');
  const [{ data, error, fetching, stale }, ask] = useQuery({ query: CUSTOMER, variables: { id, withReview } });
  const again = () => ask(BYPASS_CACHES);
  // `stale`: the cache has the fields of the list, and the request for the other fields is in flight.
  const loading = fetching || stale;
  const customer = data?.customer;

  if (!customer) {
    if (loading) return <Loading what="the customer" />;
    if (error) return <Problem what="The customer could not be loaded." error={error} retry={again} />;
    return <Title>Customer not found</Title>;
  }

  const { name, type, status, externalId, createdAt } = read(HEAD, customer);
  const failed = error && !loading;
  return (
    <>
      <nav aria-label="Back">
        <Link href="/">← Customers</Link>
      </nav>
      <header className="dossier-head">
        <Title>{name}</Title>
        <Status of={status} />
        <p className="quiet">
          {TYPE[type]} · created <Since time={createdAt} />, {day(createdAt)}
          {externalId && ` · ${externalId}`}
        </p>
      </header>
      <div className="dossier">
        <div>
          {customer.review ? (
            <Review review={customer.review} />
          ) : loading ? (
            <Loading what="the screening" />
          ) : failed ? (
            <Problem what="The screening could not be loaded." error={error} retry={again} />
          ) : (
            <p className="empty">You do not have permission to see screenings.</p>
          )}
        </div>
        <aside aria-label="Decision and profile">
          {/* Viewers who may read reviews can decide only after the review has loaded. */}
          {(customer.review || !withReview) && <Decide customer={customer} readAgain={again} />}
          {failed && customer.review && (
            <Problem what="Part of the profile could not be loaded." error={error} retry={again} />
          )}
          <Profile customer={customer} />
        </aside>
      </div>
    </>
  );
}

type CustomerReview = NonNullable<NonNullable<DocumentType<typeof CUSTOMER>['customer']>['review']>;

const Review = ({ review }: { review: CustomerReview }) =>
  review.identity ? <Screening screening={review.identity} /> : <p className="empty">Never screened.</p>;

const Loading = ({ what }: { what: string }) => (
  <p className="loading" role="status">
    Loading {what} …
  </p>
);
