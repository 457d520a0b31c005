//! How records become fragments in pages, and back.
#![expect(clippy::cast_possible_truncation, reason = "fragments are shorter than a page, which fits 16 bits")]

/// Bytes of a page; a fragment never crosses one.
pub(super) const PAGE_BYTES: usize = 32 << 10;

/// Bytes before a fragment: type, length, checksum.
pub(super) const HEADER_BYTES: usize = 7;

/// Where a fragment stands in its record: the low three bits of its type byte. 0 fills the rest of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Full = 1,
    First = 2,
    Middle = 3,
    Last = 4,
}

/// How the record was compressed: bits 3 and 4 of the type byte of each of its fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain = 0,
    Snappy = 8,
    Zstd = 16,
}

/// Returns how many bytes of one record fit between `offset` and the end of a segment.
pub(super) fn payload_room(offset: u64, segment_bytes: u64) -> u64 {
    let (page, header) = (PAGE_BYTES as u64, HEADER_BYTES as u64);
    let left_in_page = page - offset % page;
    let pages_after = (segment_bytes / page).saturating_sub(offset / page + 1);
    // A remainder too short for a header is filled up.
    left_in_page.saturating_sub(header) + pages_after * (page - header)
}

/// Appends a record as fragments to `out`, whose first byte will stand at `offset` of the segment.
pub(super) fn push_record(out: &mut Vec<u8>, offset: u64, packing: Packing, payload: &[u8]) {
    let mut rest = payload;
    let mut is_first = true;
    while is_first || !rest.is_empty() {
        let left_in_page = PAGE_BYTES - ((offset + out.len() as u64) % PAGE_BYTES as u64) as usize;
        if left_in_page < HEADER_BYTES {
            out.resize(out.len() + left_in_page, 0);
            continue;
        }
        // A page with room for just a header gets a first fragment without bytes, as in the original.
        let (fragment, after) = rest.split_at(rest.len().min(left_in_page - HEADER_BYTES));
        let part = match (is_first, after.is_empty()) {
            (true, true) => Part::Full,
            (true, false) => Part::First,
            (false, false) => Part::Middle,
            (false, true) => Part::Last,
        };
        out.push(part as u8 | packing as u8);
        out.extend_from_slice(&(fragment.len() as u16).to_be_bytes());
        out.extend_from_slice(&crc32c::crc32c(fragment).to_be_bytes());
        out.extend_from_slice(fragment);
        rest = after;
        is_first = false;
    }
}

/// What stands at a place in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A fragment with its bytes.
    Fragment { part: Part, packing: Packing, bytes: &'a [u8] },
    /// Nothing until the end of the page.
    Padding,
}

/// Reads what stands at `at` of a page.
/// # Errors
/// Says what is wrong.
pub(super) fn read_item(page: &[u8; PAGE_BYTES], at: usize) -> Result<Item<'_>, &'static str> {
    let rest = page.get(at..).unwrap_or_default();
    let Some((&[kind, len_high, len_low, crc_a, crc_b, crc_c, crc_d], after)) =
        rest.split_first_chunk::<HEADER_BYTES>()
    else {
        return padding(rest);
    };
    let part = match kind & 7 {
        0 => return padding(rest),
        1 => Part::Full,
        2 => Part::First,
        3 => Part::Middle,
        4 => Part::Last,
        _ => return Err("unknown fragment type"),
    };
    let packing = match kind & !7 {
        0 => Packing::Plain,
        8 => Packing::Snappy,
        16 => Packing::Zstd,
        _ => return Err("unknown compression"),
    };
    let len = usize::from(u16::from_be_bytes([len_high, len_low]));
    let bytes = after.get(..len).ok_or("fragment exceeds its page")?;
    if crc32c::crc32c(bytes) != u32::from_be_bytes([crc_a, crc_b, crc_c, crc_d]) {
        return Err("checksum mismatch");
    }
    // Only a type byte made it to the disk: length and checksum of nothing are zero too.
    if bytes.is_empty() && matches!(part, Part::Middle | Part::Last) {
        return Err("fragment without bytes");
    }
    Ok(Item::Fragment { part, packing, bytes })
}

fn padding(rest: &[u8]) -> Result<Item<'_>, &'static str> {
    if rest.iter().all(|byte| *byte == 0) { Ok(Item::Padding) } else { Err("padding is not zero") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_that_fits_the_room_ends_inside_the_segment(
            offset in 0_u64..4 * PAGE_BYTES as u64, pages in 4_u64..8, extra in 0_usize..2
        ) {
            let segment_bytes = pages * PAGE_BYTES as u64;
            let room = payload_room(offset, segment_bytes) as usize;
            let mut out = Vec::new();
            push_record(&mut out, offset, Packing::Plain, &vec![7; room + extra]);
            prop_assert_eq!(offset + out.len() as u64 <= segment_bytes, extra == 0);
        }
    }
}
