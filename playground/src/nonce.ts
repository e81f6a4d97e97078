// The Content-Security-Policy allows only style elements with the nonce of this response, so injected markup cannot add
// styles. Monaco, Radix and framer-motion create style elements without a nonce; this module adds the nonce to them.
// Style attributes still need 'unsafe-inline' (`style-src-attr`), because Monaco writes markup with style attributes.

const nonce = document.querySelector<HTMLElement>('link[rel="stylesheet"]')?.nonce ?? '';
const createElement = document.createElement.bind(document) as (name: string, options?: ElementCreationOptions) => HTMLElement;

document.createElement = ((name: string, options?: ElementCreationOptions) => {
  const element = createElement(name, options);
  if (name === 'style') element.nonce = nonce;
  return element;
}) as typeof document.createElement;
