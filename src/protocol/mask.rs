//! Masking of payloads (§5.3).

/// Masks or unmasks `data` in place; `key` is already turned to the first byte of `data`.
pub(crate) fn apply(data: &mut [u8], key: [u8; 4]) {
    // Sixteen bytes a step: the compiler makes vector instructions of it. Below that the loop over
    // bytes is as fast as anything.
    let wide = u128::from_ne_bytes([key; 4].as_flattened().try_into().expect("four keys are 16 bytes"));
    let (blocks, rest) = data.as_chunks_mut::<16>();
    for block in blocks {
        *block = (u128::from_ne_bytes(*block) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// The key as it applies `by` bytes further into the payload.
pub(crate) fn turned(mut key: [u8; 4], by: usize) -> [u8; 4] {
    key.rotate_left(by % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_is_the_definition_of_the_rfc_at_every_length_and_cut() {
        let key = [0x37, 0xFA, 0x21, 0x3D];
        for len in 0..100_usize {
            let payload: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            // §5.3: transformed-octet-i = original-octet-i XOR masking-key-octet-(i MOD 4)
            let expected: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            for cut in 0..=len {
                let mut data = payload.clone();
                let (head, tail) = data.split_at_mut(cut);
                apply(head, key);
                apply(tail, turned(key, cut));
                assert_eq!(data, expected, "{len} bytes, cut at {cut}");
            }
        }
    }
}
