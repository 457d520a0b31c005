//! Which blocks have outlived their time, or the room there is: a pure decision.
//!
//! # Source
//! `spec/prometheus-core.md` §7.9.

/// Limits; `None` where there is none. All that are set apply.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Retention {
    /// Blocks that ended this long before the newest one go, ms (`--storage.tsdb.retention.time`).
    pub time_ms: Option<i64>,
    /// Blocks, logs and head-chunk files together, bytes (`--storage.tsdb.retention.size`).
    pub bytes: Option<u64>,
    /// The same, in percent of the file system (`retention.percentage` of the configuration).
    pub percentage: Option<f64>,
}

/// What is judged of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aged {
    /// Exclusive end, ms.
    pub max_time: i64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// What takes room besides blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes of logs and head-chunk files.
    pub other_bytes: u64,
    /// Bytes of the whole file system; 0 when unknown.
    pub disk_bytes: u64,
}

/// Blocks that have to go, as positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Too old.
    pub by_time: Vec<usize>,
    /// No room.
    pub by_size: Vec<usize>,
}

impl Retention {
    /// Returns the room that all data may take, bytes, when it is limited.
    pub fn limit_bytes(&self, disk_bytes: u64) -> Option<u64> {
        #[expect(clippy::cast_possible_truncation, reason = "a share of a size is a size; `as` saturates")]
        let share = |percentage: f64| (disk_bytes as f64 * percentage / 100.0) as u64;
        let by_percentage = self.percentage.filter(|percent| *percent > 0.0 && disk_bytes > 0).map(share);
        let by_size = self.bytes.filter(|bytes| *bytes > 0);
        by_size.into_iter().chain(by_percentage).min()
    }

    /// Decides which blocks have to go.
    pub fn expired(&self, blocks: &[Aged], room: Room) -> Expired {
        let mut newest_first: Vec<usize> = (0..blocks.len()).collect();
        newest_first.sort_by_key(|at| std::cmp::Reverse(blocks[*at].max_time));
        Expired {
            by_time: self.too_old(blocks, &newest_first),
            by_size: self.too_many(blocks, &newest_first, room),
        }
    }

    fn too_old(&self, blocks: &[Aged], newest_first: &[usize]) -> Vec<usize> {
        let Some(limit_ms) = self.time_ms.filter(|time| *time > 0) else { return Vec::new() };
        let Some(newest) = newest_first.first().map(|at| blocks[*at].max_time) else { return Vec::new() };
        let is_old = |at: &usize| newest.saturating_sub(blocks[*at].max_time) >= limit_ms;
        newest_first.iter().copied().filter(is_old).collect()
    }

    fn too_many(&self, blocks: &[Aged], newest_first: &[usize], room: Room) -> Vec<usize> {
        let Some(limit) = self.limit_bytes(room.disk_bytes) else { return Vec::new() };
        let mut used = room.other_bytes;
        let first_beyond = newest_first.iter().position(|at| {
            used = used.saturating_add(blocks[*at].bytes);
            used > limit
        });
        first_beyond.map_or_else(Vec::new, |at| newest_first[at..].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(ends: &[i64]) -> Vec<Aged> {
        ends.iter().map(|max_time| Aged { max_time: *max_time, bytes: 100 }).collect()
    }

    #[test]
    fn whole_blocks_go_once_they_ended_before_the_retention_time() {
        let retention = Retention { time_ms: Some(100), ..Retention::default() };
        let expired = retention.expired(&blocks(&[50, 100, 101, 200]), Room::default());
        assert_eq!(expired, Expired { by_time: vec![1, 0], by_size: vec![] });
        assert_eq!(retention.expired(&[], Room::default()), Expired::default());
    }

    #[test]
    fn the_oldest_blocks_go_when_room_runs_out() {
        let retention = Retention { bytes: Some(350), ..Retention::default() };
        let room = Room { other_bytes: 100, disk_bytes: 0 };
        assert_eq!(retention.expired(&blocks(&[1, 2, 3]), room).by_size, [0]);
        let full = Room { other_bytes: 1000, disk_bytes: 0 };
        assert_eq!(retention.expired(&blocks(&[1, 2, 3]), full).by_size, [2, 1, 0]);
        // What does not fit ends the list, though smaller and older blocks might fit.
        let uneven = [Aged { max_time: 1, bytes: 1 }, Aged { max_time: 2, bytes: 400 }];
        assert_eq!(retention.expired(&uneven, Room::default()).by_size, [1, 0]);
    }

    #[test]
    fn the_tighter_of_size_and_percentage_counts() {
        let retention = Retention { bytes: Some(500), percentage: Some(20.0), ..Retention::default() };
        assert_eq!(retention.limit_bytes(1000), Some(200));
        assert_eq!(retention.limit_bytes(10_000), Some(500));
        assert_eq!(retention.limit_bytes(0), Some(500), "an unknown file system has no percentage");
        assert_eq!(Retention::default().limit_bytes(1000), None);
        assert_eq!(Retention { bytes: Some(0), ..Retention::default() }.limit_bytes(10), None);
    }
}
