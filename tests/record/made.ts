/** Owns recordings that tests make up, record by record. Knows the container and values; knows no program. */

import { type RecordingHeader } from "../../host/record/format.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { ValueBuffer } from "../../host/record/values.js";
import { RecordingWriter } from "../../host/record/writer.js";

export interface Made {
  readonly kind: number;
  readonly body: Uint8Array;
}

/** @param ends does it end as it should? Otherwise it was cut off after its last record */
export function written(header: RecordingHeader, records: readonly Made[], ends = true): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => void chunks.push(chunk.slice()), header);
  for (const { kind, body } of records) writer.add(kind, body);
  if (ends) writer.end();
  else writer.flush();
  return Buffer.concat(chunks);
}

export function headerOf(bytes: Uint8Array): Required<RecordingHeader> {
  return new RecordingReader(sourceOf(bytes)).header;
}

export function recordsOf(bytes: Uint8Array): Made[] {
  const reader = new RecordingReader(sourceOf(bytes));
  const records: Made[] = [];
  while (reader.next()) records.push({ kind: reader.kind, body: Uint8Array.from(reader.fields.rest()) });
  return records;
}

export function valuesOf(...values: readonly unknown[]): Uint8Array {
  const buffer = new ValueBuffer();
  for (const value of values) buffer.put(value, (data) => data);
  return buffer.contents.slice();
}
