// What the service tells about itself, in Prometheus's text form.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** `queueLength` and `inHouse` are asked when somebody looks. */
export function createMetrics({ queueLength, inHouse }) {
  const register = new Registry();
  const registers = [register];
  // Memory, CPU time, garbage collection; the event loop's delay over the time since the last look.
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 10 });
  const gauge = (name, help, read) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('ocr_queue_length', 'Requests that wait for a batch', queueLength);
  gauge('ocr_requests_in_house', 'Requests that were taken on and not answered yet', inHouse);
  return {
    register,
    requests: new Counter({
      name: 'ocr_requests_total',
      help: "Requests to /read by status; 'aborted': the client went away first",
      labelNames: ['status'],
      registers,
    }),
    seconds: new Histogram({
      name: 'ocr_request_seconds',
      help: 'Time from the head of a request to the end of its answer, where that is 200',
      buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2],
      registers,
    }),
    batchSize: new Histogram({
      name: 'ocr_batch_size',
      help: 'Lines in a batch',
      buckets: [1, 2, 4, 8, 16, 32],
      registers,
    }),
  };
}
