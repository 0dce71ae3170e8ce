const text = new TextEncoder();

/** Bytes that grow. */
class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Makes room for `size` more bytes, perhaps in other memory, and returns where they begin. */
  grow(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      bytes.set(this.#bytes.subarray(0, at));
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    return at;
  }

  byte(value: number): void {
    const at = this.grow(1);
    this.#bytes[at] = value;
  }

  /** A format byte and a number of 1, 2 or 4 bytes, whichever is the first of `formats` that can hold it. */
  sized(value: number, formats: readonly (number | undefined)[]): void {
    const [one, two, four] = formats;
    if (one !== undefined && value < 0x100) {
      this.byte(one);
      this.byte(value);
    } else if (two !== undefined && value < 0x1_0000) {
      this.byte(two);
      const at = this.grow(2);
      this.#view.setUint16(at, value);
    } else {
      this.byte(four as number);
      const at = this.grow(4);
      this.#view.setUint32(at, value);
    }
  }

  float(value: number): void {
    this.byte(0xcb);
    const at = this.grow(8);
    this.#view.setFloat64(at, value);
  }

  big(format: number, value: bigint): void {
    this.byte(format);
    const at = this.grow(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, value));
  }

  bytes(bytes: Uint8Array): void {
    const at = this.grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  taken(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }
}

/**
 * A value as MessagePack. As in JSON, properties that are `undefined` are left out, and objects with a `toJSON` are what
 * that returns.
 *
 * @throws TypeError for a function, a symbol, or an integer of more than 64 bits.
 */
export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  write(writer, value);
  return writer.taken();
}

function write(writer: Writer, value: unknown): void {
  if (value === null || value === undefined) writer.byte(0xc0);
  else if (typeof value === "boolean") writer.byte(value ? 0xc3 : 0xc2);
  else if (typeof value === "number") writeNumber(writer, value);
  else if (typeof value === "bigint") writeBig(writer, value);
  else if (typeof value === "string") writeText(writer, value);
  else if (value instanceof Uint8Array) {
    writer.sized(value.length, [0xc4, 0xc5, 0xc6]);
    writer.bytes(value);
  } else if (Array.isArray(value)) {
    if (value.length < 16) writer.byte(0x90 | value.length);
    else writer.sized(value.length, [undefined, 0xdc, 0xdd]);
    for (const item of value) write(writer, item);
  } else if (typeof value === "object") writeObject(writer, value);
  else throw new TypeError(`a ${typeof value} cannot be encoded`);
}

function writeObject(writer: Writer, value: object): void {
  if ("toJSON" in value && typeof value.toJSON === "function") return write(writer, value.toJSON());
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  if (entries.length < 16) writer.byte(0x80 | entries.length);
  else writer.sized(entries.length, [undefined, 0xde, 0xdf]);
  for (const [key, item] of entries) {
    writeText(writer, key);
    write(writer, item);
  }
}

function writeNumber(writer: Writer, value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) writer.float(value);
  else if (value >= 0) {
    if (value < 0x80) writer.byte(value);
    else if (value <= 0xffff_ffff) writer.sized(value, [0xcc, 0xcd, 0xce]);
    else writer.big(0xcf, BigInt(value));
  } else if (value >= -0x20) writer.byte(value & 0xff);
  else if (value >= -0x80) writer.sized(value & 0xff, [0xd0]);
  else if (value >= -0x8000) writer.sized(value & 0xffff, [undefined, 0xd1]);
  else if (value >= -0x8000_0000) writer.sized(value >>> 0, [undefined, undefined, 0xd2]);
  else writer.big(0xd3, BigInt(value));
}

function writeBig(writer: Writer, value: bigint): void {
  if (value >= 0n && value < 1n << 64n) writer.big(0xcf, value);
  else if (value < 0n && value >= -(1n << 63n)) writer.big(0xd3, value);
  else throw new TypeError("an integer of more than 64 bits cannot be encoded");
}

function writeText(writer: Writer, value: string): void {
  const bytes = text.encode(value);
  if (bytes.length < 32) writer.byte(0xa0 | bytes.length);
  else writer.sized(bytes.length, [0xd9, 0xda, 0xdb]);
  writer.bytes(bytes);
}
