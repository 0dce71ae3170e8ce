const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** How deep values may be nested: docs/wire.md. */
const MAX_DEPTH = 128;

/**
 * The one value that `bytes` are, all of them. Integers that a number cannot hold exactly are bigints. Types of
 * extensions are not known here.
 *
 * @throws Error for anything else, also for a length that exceeds the bytes, before anything is reserved for it.
 */
export function decode(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  reader.end();
  return value;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new RangeError("bytes after the value");
  }

  value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw new RangeError("nested too deep");
    const format = this.#view.getUint8(this.#take(1));
    if (format < 0x80) return format;
    if (format < 0x90) return this.#map(format & 0x0f, depth);
    if (format < 0xa0) return this.#array(format & 0x0f, depth);
    if (format < 0xc0) return this.#text(format & 0x1f);
    if (format >= 0xe0) return format - 0x100;
    return this.#long(format, depth);
  }

  #long(format: number, depth: number): unknown {
    switch (format) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.#slice(this.#unsigned(1)).slice();
      case 0xc5: return this.#slice(this.#unsigned(2)).slice();
      case 0xc6: return this.#slice(this.#unsigned(4)).slice();
      case 0xca: return this.#view.getFloat32(this.#take(4));
      case 0xcb: return this.#view.getFloat64(this.#take(8));
      case 0xcc: return this.#unsigned(1);
      case 0xcd: return this.#unsigned(2);
      case 0xce: return this.#unsigned(4);
      case 0xcf: return exact(this.#view.getBigUint64(this.#take(8)));
      case 0xd0: return this.#view.getInt8(this.#take(1));
      case 0xd1: return this.#view.getInt16(this.#take(2));
      case 0xd2: return this.#view.getInt32(this.#take(4));
      case 0xd3: return exact(this.#view.getBigInt64(this.#take(8)));
      case 0xd9: return this.#text(this.#unsigned(1));
      case 0xda: return this.#text(this.#unsigned(2));
      case 0xdb: return this.#text(this.#unsigned(4));
      case 0xdc: return this.#array(this.#unsigned(2), depth);
      case 0xdd: return this.#array(this.#unsigned(4), depth);
      case 0xde: return this.#map(this.#unsigned(2), depth);
      case 0xdf: return this.#map(this.#unsigned(4), depth);
      default: throw new RangeError(`the format ${format} is not known`);
    }
  }

  /** Goes past `size` bytes, and returns where they begin. */
  #take(size: number): number {
    const at = this.#at;
    if (size > this.#bytes.length - at) throw new RangeError("the value is cut off");
    this.#at += size;
    return at;
  }

  #slice(size: number): Uint8Array {
    const at = this.#take(size);
    return this.#bytes.subarray(at, at + size);
  }

  #unsigned(size: 1 | 2 | 4): number {
    const at = this.#take(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #text(size: number): string {
    return text.decode(this.#slice(size));
  }

  #array(size: number, depth: number): unknown[] {
    const items: unknown[] = [];
    while (items.length < size) items.push(this.value(depth + 1));
    return items;
  }

  #map(size: number, depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (let left = size; left > 0; left -= 1) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") throw new TypeError("a key that is no text");
      const value = this.value(depth + 1);
      // Not `map[key] = value`: a peer that sends `__proto__` would choose the object's prototype.
      Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
    }
    return map;
  }
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
