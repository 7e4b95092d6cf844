//! Small changes of honest bytes, themselves coded in bytes so that a fuzzer can look for them.

/// Bytes that code one change.
const CHANGE_BYTES: usize = 4;
/// Most changes of one message.
const MOST_CHANGES: usize = 64;

/// `honest` with the changes that `script` codes: two bytes of place, what to do, and with what.
pub(crate) fn patched(honest: &[u8], script: &[u8]) -> Vec<u8> {
    let mut bytes = honest.to_vec();
    for change in script
        .as_chunks::<CHANGE_BYTES>()
        .0
        .iter()
        .take(MOST_CHANGES)
    {
        let [low, high, action, value] = *change;
        if bytes.is_empty() {
            break;
        }
        let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len();
        match action % 6 {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= value;
                }
            }
            3 => bytes.insert(at, value),
            4 => {
                bytes.remove(at);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}
