//! Messages that arrive in pieces: one partial upload a partner, its length checked before anything is kept.

use std::collections::BTreeMap;

use msht_core::crypto::Digest;
use msht_core::secagg::messages::Phase;

/// Most bytes of all partial uploads together; a partner that would exceed it tries again later.
const MAX_BUFFERED_BYTES: usize = 512 * 1024 * 1024;
/// Seconds without a piece after which an upload gives way to others; its partner begins it again.
const IDLE_SECONDS: i64 = 120;

/// What an upload is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UploadId {
    pub(super) round: Digest,
    pub(super) phase: Phase,
    /// Bytes of the whole message.
    pub(super) total: usize,
}

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The message is whole.
    Whole(Vec<u8>),
    /// The next piece begins here; also where this one did not follow on.
    Next(usize),
    /// The piece reaches beyond the announced length, or is empty.
    TooLong,
    /// Too much is buffered for others at the moment.
    NoRoom,
}

struct Upload {
    id: UploadId,
    bytes: Vec<u8>,
    last_piece_at: i64,
}

/// Partial uploads by partner id.
#[derive(Default)]
pub(super) struct Uploads {
    partial: BTreeMap<String, Upload>,
    buffered: usize,
}

impl Uploads {
    /// Takes, at `now`, the piece at `offset` of an upload whose length is within the limit of its phase.
    pub(super) fn take(
        &mut self,
        partner: &str,
        id: UploadId,
        offset: usize,
        piece: Vec<u8>,
        now: i64,
    ) -> Piece {
        let end = offset.checked_add(piece.len());
        if piece.is_empty() || end.is_none_or(|end| end > id.total) {
            self.drop_upload(partner);
            return Piece::TooLong;
        }
        if offset == 0 {
            self.drop_upload(partner);
            if piece.len() == id.total {
                return Piece::Whole(piece);
            }
        }
        if !self.make_room(partner, piece.len(), now) {
            return Piece::NoRoom;
        }
        if offset == 0 {
            let upload = Upload {
                id,
                bytes: Vec::new(),
                last_piece_at: now,
            };
            self.partial.insert(partner.to_owned(), upload);
        }
        let Some(upload) = self.partial.get_mut(partner).filter(|open| open.id == id) else {
            return Piece::Next(0);
        };
        if upload.bytes.len() != offset {
            return Piece::Next(upload.bytes.len());
        }
        upload.bytes.extend_from_slice(&piece);
        upload.last_piece_at = now;
        self.buffered = self.buffered.saturating_add(piece.len());
        if upload.bytes.len() < id.total {
            return Piece::Next(upload.bytes.len());
        }
        match self.drop_upload(partner) {
            Some(bytes) => Piece::Whole(bytes),
            None => Piece::Next(0),
        }
    }

    /// Whether `more` bytes fit, if need be after dropping idle uploads of other partners.
    fn make_room(&mut self, partner: &str, more: usize, now: i64) -> bool {
        let fits = |buffered: usize| buffered.saturating_add(more) <= MAX_BUFFERED_BYTES;
        if fits(self.buffered) {
            return true;
        }
        let idle_since = now.saturating_sub(IDLE_SECONDS);
        self.partial
            .retain(|owner, upload| owner == partner || upload.last_piece_at > idle_since);
        self.buffered = self.partial.values().map(|each| each.bytes.len()).sum();
        fits(self.buffered)
    }

    fn drop_upload(&mut self, partner: &str) -> Option<Vec<u8>> {
        let upload = self.partial.remove(partner)?;
        self.buffered = self.buffered.saturating_sub(upload.bytes.len());
        Some(upload.bytes)
    }

    /// Bytes kept at the moment.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.buffered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(total: usize) -> UploadId {
        UploadId {
            round: Digest::ZERO,
            phase: Phase::Mask,
            total,
        }
    }

    fn take(
        uploads: &mut Uploads,
        partner: &str,
        id: UploadId,
        at: usize,
        piece: Vec<u8>,
    ) -> Piece {
        uploads.take(partner, id, at, piece, 0)
    }

    #[test]
    fn idle_uploads_of_others_make_room_and_busy_ones_do_not() {
        let mut uploads = Uploads::default();
        let half = MAX_BUFFERED_BYTES / 2;
        let total = id(MAX_BUFFERED_BYTES);
        assert_eq!(
            uploads.take("a", total, 0, vec![0; half], 0),
            Piece::Next(half)
        );
        assert_eq!(
            uploads.take("b", total, 0, vec![0; half], 100),
            Piece::Next(half)
        );
        assert_eq!(uploads.take("c", total, 0, vec![0; 9], 119), Piece::NoRoom);
        assert_eq!(uploads.take("c", total, 0, vec![0; 9], 121), Piece::Next(9));
        assert_eq!(uploads.buffered(), half + 9);
        assert_eq!(
            uploads.take("a", total, half, vec![0; 9], 121),
            Piece::Next(0)
        );
        assert_eq!(
            uploads.take("b", total, half, vec![0; 9], 121),
            Piece::Next(half + 9)
        );
    }

    #[test]
    fn pieces_in_order_make_the_message_and_leave_nothing_behind() {
        let mut uploads = Uploads::default();
        assert_eq!(
            take(&mut uploads, "a", id(5), 0, vec![1, 2]),
            Piece::Next(2)
        );
        assert_eq!(take(&mut uploads, "b", id(2), 0, vec![9]), Piece::Next(1));
        assert_eq!(
            take(&mut uploads, "a", id(5), 2, vec![3, 4]),
            Piece::Next(4)
        );
        let whole = take(&mut uploads, "a", id(5), 4, vec![5]);
        assert_eq!(whole, Piece::Whole(vec![1, 2, 3, 4, 5]));
        assert_eq!(uploads.buffered(), 1);
    }

    #[test]
    fn a_piece_that_does_not_follow_on_is_not_kept() {
        let mut uploads = Uploads::default();
        assert_eq!(take(&mut uploads, "a", id(5), 2, vec![3]), Piece::Next(0));
        assert_eq!(
            take(&mut uploads, "a", id(5), 0, vec![1, 2]),
            Piece::Next(2)
        );
        assert_eq!(take(&mut uploads, "a", id(5), 3, vec![4]), Piece::Next(2));
        assert_eq!(take(&mut uploads, "a", id(6), 2, vec![3]), Piece::Next(0));
        assert_eq!(
            take(&mut uploads, "a", id(5), 2, vec![3, 4, 5, 6]),
            Piece::TooLong
        );
        assert_eq!(uploads.buffered(), 0);
        assert_eq!(
            take(&mut uploads, "a", id(5), usize::MAX, vec![1]),
            Piece::TooLong
        );
        assert_eq!(
            take(&mut uploads, "a", id(5), 0, Vec::new()),
            Piece::TooLong
        );
    }

    #[test]
    fn a_new_upload_of_a_partner_replaces_its_earlier_one() {
        let mut uploads = Uploads::default();
        assert_eq!(
            take(&mut uploads, "a", id(9), 0, vec![0; 8]),
            Piece::Next(8)
        );
        assert_eq!(take(&mut uploads, "a", id(3), 0, vec![1]), Piece::Next(1));
        assert_eq!(uploads.buffered(), 1);
    }
}
