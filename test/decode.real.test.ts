// Two real models: the recorded greedy texts and error rates, and beams that never fall below.

import assert from 'node:assert/strict';
import {
  type BeamOptions,
  beamDecode,
  ctcLoss,
  greedyDecodeSync,
  parseLanguageModel,
} from '../lib/index.js';
import { errorRate } from '../lib/metrics.js';
import { assertClose } from './support/close.js';
import { arpaText, type Ngrams } from './support/guideOracle.js';
import {
  corpora,
  earlyBatch,
  finalBatch,
  type RealBatch,
  readTexts,
  readTokens,
} from './support/real.js';

const checkpoints = {
  final: (corpus: (typeof corpora)[number]) => finalBatch(corpus, 'final'),
  mid: (corpus: (typeof corpora)[number]) => earlyBatch(corpus, 'mid'),
  early: (corpus: (typeof corpora)[number]) => earlyBatch(corpus, 'early'),
};

for (const corpus of corpora) {
  describe(`decoding a real model: ${corpus.name}`, () => {
    const tokens = readTokens(corpus);
    const optionsOf = ({ blank, inputLengths }: RealBatch) => ({ blank, inputLengths, tokens });

    it('the greedy texts and error rates are the recorded ones', () => {
      const batch = finalBatch(corpus, 'final');
      const { utterances } = greedyDecodeSync(batch, optionsOf(batch));
      const texts = utterances.map(({ text }) => text!);
      assert.deepEqual(
        texts,
        corpus.utterances.map(({ greedy }) => greedy),
      );
      const rates = errorRate(readTexts(corpus), texts);
      corpus.utterances.forEach(({ cer }, n) => {
        assertClose(rates.utterances[n]!.rate, cer, 1e-12, `CER of utterance ${n}`);
      });
      assertClose(rates.rate, corpus.cer.final, 1e-12, 'CER');
    });

    for (const checkpoint of ['mid', 'early'] as const) {
      it(`the error rate of the ${checkpoint} checkpoint is the recorded one, as far as it is packed`, () => {
        const batch = checkpoints[checkpoint](corpus);
        const { utterances } = greedyDecodeSync(batch, optionsOf(batch));
        const kept = readTexts(corpus).filter((_, n) => n % corpus.step === 0);
        const { rate, errors } = errorRate(
          kept,
          utterances.map(({ text }) => text!),
        );
        assert.ok(errors > 0);
        if (corpus.step === 1) assertClose(rate, corpus.cer[checkpoint], 1e-12, 'CER');
        else assertClose(rate, corpus.cer[checkpoint], 0.05, 'CER of a part');
      });
    }

    for (const [checkpoint, batchOf] of Object.entries(checkpoints)) {
      it(`${checkpoint}: a beam never scores below greedy`, async () => {
        const batch = batchOf(corpus);
        const options = optionsOf(batch);
        const greedy = greedyDecodeSync(batch, options).utterances;
        for (const beamWidth of [2, 10, 100]) {
          const { utterances } = await beamDecode(batch, { ...options, beamWidth });
          utterances.forEach(({ paths }, n) => {
            const { logProb } = paths[0]!;
            assert.ok(logProb >= greedy[n]!.logProb - 1e-9, `utterance ${n}: below the best path`);
          });
          if (beamWidth < 100) continue;
          // What the labels are worth, all paths summed.
          const beam = utterances.map(({ paths }) => paths[0]!);
          const ofBeam = await exactly(batch, beam);
          const ofGreedy = await exactly(batch, greedy);
          beam.forEach(({ logProb }, n) => {
            assert.ok(ofBeam[n]! >= ofGreedy[n]! - 1e-9, `utterance ${n}: below greedy's labels`);
            // The beam's own sum lacks the paths whose beginnings it dropped, and nothing else.
            assert.ok(logProb <= ofBeam[n]! + 1e-9, `utterance ${n}: above its probability`);
            if (checkpoint === 'final') assertClose(logProb, ofBeam[n]!, 0.2, `utterance ${n}`);
          });
        }
      }).timeout(120_000);
    }

    it('spans follow one another inside the utterance, and score what the model says', async () => {
      const batch = finalBatch(corpus, 'final');
      const { utterances } = await beamDecode(batch, optionsOf(batch));
      utterances.forEach(({ paths }, n) => {
        let free = 0;
        for (const { start, end, score } of paths[0]!.tokens) {
          assert.ok(start >= free && end > start && end <= batch.inputLengths[n]!);
          assert.ok(score > 0 && score <= 1);
          free = end;
        }
      });
    });

    it('a language model of the transcripts brings the error rate down', async () => {
      const batch = finalBatch(corpus, 'final');
      const truth = readTexts(corpus);
      const lm = parseLanguageModel(arpaText(unigrams(truth)));
      const rateOf = async (options: BeamOptions) => {
        const { utterances } = await beamDecode(batch, { ...optionsOf(batch), ...options });
        return errorRate(
          truth,
          utterances.map(({ paths }) => paths[0]?.text ?? ''),
        ).rate;
      };
      const plain = await rateOf({});
      const guided = await rateOf({ lm });
      assert.ok(guided < plain, `${guided} < ${plain}`);
      const lexicon = [...new Set(truth.flatMap((text) => text.split(' ')))];
      assert.ok((await rateOf({ lm, lexicon })) < plain);
      assert.ok((await rateOf({ hotwords: lexicon, hotwordWeight: 4 })) < plain);
    }).timeout(120_000);
  });
}

async function exactly(batch: RealBatch, decoded: { labels: Int32Array }[]): Promise<number[]> {
  const labels = decoded.map((each) => each.labels);
  const { blank, inputLengths } = batch;
  const options = { blank, inputLengths, reduction: 'none', gradient: false } as const;
  const { losses } = await ctcLoss(
    { data: Float64Array.from(batch.data), shape: batch.shape },
    labels,
    options,
  );
  return Array.from(losses, (loss) => -loss);
}

/** Words as often as they occur, and <unk> a little. */
function unigrams(texts: string[]): Ngrams {
  const words = texts.flatMap((text) => text.split(' '));
  const prob: Record<string, number> = { '<s>': -99, '</s>': -1, '<unk>': -3 };
  for (const word of words) {
    prob[word] = Math.log10(words.filter((other) => other === word).length / words.length);
  }
  return { order: 1, prob, backoff: {} };
}
