import { gzipSync } from "node:zlib";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Call, CallTree, Counted } from "./call-tree.ts";

/**
 * A call tree in the form that `go tool pprof` and the tools around it read: message `perftools.profiles.Profile` of pprof's `profile.proto`, compressed. Fields are
 * named beside their numbers.
 */
export function encodePprof({ counts, calls, period, began, took }: CallTree): Buffer {
  const texts = new Map<string, number>([["", 0]]);
  const text = (of: string): number => numberOf(texts, of);
  const functions = new Map<string, number>();
  const profile = new BinaryWriter();
  const message = (number: number, write: () => void): void => {
    profile.tag(number, WireType.LengthDelimited).fork();
    write();
    profile.join();
  };
  const integer = (number: number, value: number): void => void profile.tag(number, WireType.Varint).int64(value);
  const integers = (number: number, values: readonly number[]): void =>
    message(number, () => {
      for (const value of values) profile.int64(value);
    });
  const counted = (number: number, { type, unit }: Counted): void =>
    message(number, () => {
      integer(1, text(type)); // type
      integer(2, text(unit)); // unit
    });

  for (const count of counts) counted(1, count); // sample_type
  const frames: Call["frame"][] = [];
  /** A place of its own for each function: V8 counts by function, not by line. */
  const place = ({ frame }: Call): number => {
    const known = functions.size;
    const number = numberOf(functions, `${frame.functionName}\n${frame.url}\n${frame.lineNumber}`) + 1;
    if (functions.size > known) frames.push(frame);
    return number;
  };
  // sample
  for (const call of calls)
    message(2, () => {
      const stack: number[] = [];
      for (let at: Call | undefined = call; at !== undefined; at = at.caller) stack.push(place(at));
      integers(1, stack); // location_id, the innermost first
      integers(2, call.values.map(Math.round)); // value
    });
  for (const [index, { functionName, url, lineNumber }] of frames.entries()) {
    const line = Math.max(0, lineNumber + 1);
    // location
    message(4, () => {
      integer(1, index + 1); // id
      message(4, () => {
        integer(1, index + 1); // line.function_id
        integer(2, line); // line.line
      });
    });
    // function
    message(5, () => {
      integer(1, index + 1); // id
      integer(2, text(functionName === "" ? "(anonymous)" : functionName)); // name
      integer(4, text(url)); // filename
      integer(5, line); // start_line
    });
  }
  integer(9, Math.round(began * 1e6)); // time_nanos
  integer(10, Math.round(took * 1e6)); // duration_nanos
  const last = counts.at(-1);
  if (last !== undefined) counted(11, last); // period_type
  integer(12, period); // period
  // string_table: last, when all texts are known
  for (const of of texts.keys()) profile.tag(6, WireType.LengthDelimited).string(of);
  return gzipSync(profile.finish());
}

function numberOf(numbers: Map<string, number>, of: string): number {
  const known = numbers.get(of);
  if (known !== undefined) return known;
  numbers.set(of, numbers.size);
  return numbers.size - 1;
}
