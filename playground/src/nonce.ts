// Style elements are let in by the nonce of this answer, so that markup which somebody smuggles into the page cannot
// bring styles. Monaco, Radix and framer-motion make theirs with `createElement` and know of no nonce; they get it here.
// Style attributes need 'unsafe-inline' (`style-src-attr`) all the same: Monaco writes its lines as markup that has them.

const nonce = document.querySelector<HTMLElement>('link[rel="stylesheet"]')?.nonce ?? '';
const createElement = document.createElement.bind(document) as (name: string, options?: ElementCreationOptions) => HTMLElement;

document.createElement = ((name: string, options?: ElementCreationOptions) => {
  const element = createElement(name, options);
  if (name === 'style') element.nonce = nonce;
  return element;
}) as typeof document.createElement;
