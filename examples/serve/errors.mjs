// What a client is told when something is wrong: a status, a code for programs and a sentence for people.

/** An error that is the client's to know: `{ "error": { "code", "message" } }` under `statusCode`. */
export class ServeError extends Error {
  constructor(statusCode, code, message, headers = {}) {
    super(message);
    this.statusCode = statusCode;
    this.code = code;
    this.headers = headers;
  }
}

/** Fastify's own errors under our codes; undefined for a fault of the service. */
function known(error) {
  if (error instanceof ServeError) return error;
  // Nobody reads this answer.
  if (error.name === 'AbortError') return new ServeError(499, 'ABORTED', 'the client went away');
  switch (error.code) {
    case 'FST_ERR_VALIDATION':
      return new ServeError(400, 'BAD_QUERY', error.message);
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ServeError(413, 'BODY_TOO_LARGE', 'the body is larger than a text line can be');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new ServeError(415, 'NOT_A_PNG', 'the body must be a PNG file, type image/png');
    default:
      // Whatever else a request can have wrong: its length, its encoding.
      if (error.statusCode >= 400 && error.statusCode < 500) {
        return new ServeError(error.statusCode, 'BAD_REQUEST', error.message);
      }
      return undefined;
  }
}

/** Fastify's error handler. */
export function answerError(error, request, reply) {
  let told = known(error);
  if (told === undefined) {
    request.log.error(error);
    told = new ServeError(500, 'INTERNAL', 'the service failed; its log says why');
  }
  const { statusCode, code, message, headers } = told;
  return reply.code(statusCode).headers(headers).send({ error: { code, message } });
}
