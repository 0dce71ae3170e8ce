//! An inflater after the letter of RFC 1951, to compare with: it shares nothing with zlib, and tells how far back a
//! stream refers.

/// What a stream of blocks holds, and the farthest distance in it. `history` is what came before.
pub(super) fn inflate(bytes: &[u8], history: &[u8]) -> (Vec<u8>, usize) {
    // What is sent ends with the first bits of an empty block, whose tail was taken off.
    let whole = [bytes, &super::TAIL].concat();
    let mut bits = Bits { bytes: &whole, at: 0 };
    let mut out = history.to_vec();
    let mut farthest = 0;
    while bits.at.div_ceil(8) < whole.len() {
        let last = bits.take(1) == 1;
        match bits.take(2) {
            0 => stored(&mut bits, &mut out),
            1 => compressed(&mut bits, &fixed(), &mut out, &mut farthest),
            2 => {
                let codes = dynamic(&mut bits);
                compressed(&mut bits, &codes, &mut out, &mut farthest);
            }
            kind => panic!("a block of kind {kind}"),
        }
        assert!(!last, "a final block is not sent");
    }
    (out.split_off(history.len()), farthest)
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        (0..count).map(|bit| self.bit() << bit).sum()
    }

    fn bit(&mut self) -> usize {
        let bit = self.bytes[self.at / 8] >> (self.at % 8) & 1;
        self.at += 1;
        usize::from(bit)
    }
}

/// A canonical Huffman code (§3.2.2): the symbols of each length, in order.
struct Code(Vec<Vec<usize>>);

impl Code {
    fn new(lens: &[usize]) -> Self {
        let mut symbols = vec![Vec::new(); 16];
        for (symbol, len) in lens.iter().enumerate().filter(|(_, len)| **len > 0) {
            symbols[*len].push(symbol);
        }
        Self(symbols)
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> usize {
        let (mut code, mut first) = (0, 0);
        for symbols in &self.0[1..] {
            code = code * 2 + bits.bit();
            first *= 2;
            if let Some(symbol) = symbols.get(code - first) {
                return *symbol;
            }
            first += symbols.len();
        }
        panic!("no symbol has this code");
    }
}

fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>) {
    bits.at = bits.at.next_multiple_of(8);
    let len = bits.take(16);
    assert_eq!(bits.take(16), len ^ 0xFFFF);
    for _ in 0..len {
        out.push(bits.take(8) as u8);
    }
}

/// §3.2.6.
fn fixed() -> (Code, Code) {
    let lens = [[8].repeat(144), [9].repeat(112), [7].repeat(24), [8].repeat(8)].concat();
    (Code::new(&lens), Code::new(&[5].repeat(30)))
}

/// §3.2.7.
fn dynamic(bits: &mut Bits<'_>) -> (Code, Code) {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, codes) = (bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4);
    let mut lens = [0; 19];
    for place in &ORDER[..codes] {
        lens[*place] = bits.take(3);
    }
    let code = Code::new(&lens);
    let mut lens = Vec::new();
    while lens.len() < literals + distances {
        let (len, times) = match code.symbol(bits) {
            16 => (*lens.last().expect("a length before"), 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            18 => (0, 11 + bits.take(7)),
            len => (len, 1),
        };
        lens.extend([len].repeat(times));
    }
    (Code::new(&lens[..literals]), Code::new(&lens[literals..]))
}

/// §3.2.5.
fn compressed(bits: &mut Bits<'_>, codes: &(Code, Code), out: &mut Vec<u8>, farthest: &mut usize) {
    loop {
        let symbol = codes.0.symbol(bits);
        let len = match symbol {
            0..=255 => {
                out.push(symbol as u8);
                continue;
            }
            256 => return,
            257..=264 => symbol - 254,
            285 => 258,
            _ => {
                let extra = (symbol - 261) / 4;
                (((symbol - 265) % 4 + 4) << extra) + 3 + bits.take(extra)
            }
        };
        let symbol = codes.1.symbol(bits);
        let distance = if symbol < 4 {
            symbol + 1
        } else {
            let extra = symbol / 2 - 1;
            ((symbol % 2 + 2) << extra) + 1 + bits.take(extra)
        };
        *farthest = distance.max(*farthest);
        let from = out.len().checked_sub(distance).expect("a distance within the window");
        for at in from..from + len {
            out.push(out[at]);
        }
    }
}
