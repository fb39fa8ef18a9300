//! Lists that stand for sets: engines write them in the order of a hash table, which is another
//! one in every release and may be another one after every start.

use std::ops::Range;

use crate::wire::{Reader, Result};

/// The entries of a list, each with its key, in ascending order of their keys.
struct Sorted<'a> {
    entries: Vec<(&'a [u8], Range<usize>)>,
}

impl<'a> Sorted<'a> {
    /// Reads `count` entries; `entry` passes one and gives its key.
    fn read(
        r: &mut Reader<'a>,
        count: u32,
        mut entry: impl FnMut(&mut Reader<'a>) -> Result<&'a [u8]>,
    ) -> Result<Self> {
        let mut entries = Vec::new();
        for _ in 0..count {
            let start = r.position();
            let key = entry(r)?;
            entries.push((key, start..r.position()));
        }
        // Of entries with one key the last counts (`itemgroup.h`, `tool.cpp`): they stay in their
        // order.
        entries.sort_by_key(|(key, _)| *key);
        Ok(Self { entries })
    }

    fn write(&self, raw: &[u8], out: &mut Vec<u8>) {
        for (_, entry) in &self.entries {
            out.extend_from_slice(&raw[entry.clone()]);
        }
    }
}

/// The same with all lists sorted; `None` if that changes nothing, or if it cannot be read: then
/// it is equal to nothing but itself.
fn changed(raw: &[u8], sort: impl FnOnce(&[u8], &mut Vec<u8>) -> Result<()>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    sort(raw, &mut out).ok()?;
    (out != raw).then_some(out)
}

/// Groups with their ratings: u16 n; n × (str16; s16).
pub(super) fn groups(raw: &[u8]) -> Option<Vec<u8>> {
    changed(raw, |raw, out| {
        let mut r = Reader::new(raw);
        let count = r.u16()?;
        out.extend_from_slice(&raw[..r.position()]);
        let group = |r: &mut Reader<'_>| r.take(2, "rating").map(drop);
        keyed(&mut r, count.into(), group)?.write(raw, out);
        Ok(())
    })
}

/// `tool.cpp`, ToolCapabilities::serialize: dig groups, the times of each, and damage groups.
pub(super) fn tool_capabilities(raw: &[u8]) -> Option<Vec<u8>> {
    changed(raw, |raw, out| {
        let mut r = Reader::new(raw);
        r.take(1 + 4 + 2, "tool capabilities")?;
        let count = r.u32()?;
        out.extend_from_slice(&raw[..r.position()]);
        // Where the count of times is in a group's entry, as it is after a name of unknown length.
        let dig_groups = keyed(&mut r, count, |r| {
            r.take(2 + 2, "dig group")?;
            let times = r.u32()?;
            Sorted::read(r, times, |r| time(r)).map(drop)
        })?;
        for (key, entry) in &dig_groups.entries {
            let times = entry.start + 2 + key.len() + 2 + 2;
            out.extend_from_slice(&raw[entry.start..times + 4]);
            let mut r = Reader::new(&raw[..entry.end]);
            r.take(times, "dig group")?;
            let count = r.u32()?;
            Sorted::read(&mut r, count, |r| time(r))?.write(raw, out);
        }
        let start = r.position();
        let count = r.u32()?;
        out.extend_from_slice(&raw[start..r.position()]);
        let damage = |r: &mut Reader<'_>| r.take(2, "damage").map(drop);
        keyed(&mut r, count, damage)?.write(raw, out);
        out.extend_from_slice(r.rest());
        Ok(())
    })
}

/// `util/pointabilities.cpp`: nodes, groups of nodes, objects, groups of objects.
pub(super) fn pointabilities(raw: &[u8]) -> Option<Vec<u8>> {
    changed(raw, |raw, out| {
        let mut r = Reader::new(raw);
        r.take(1, "pointabilities")?;
        out.extend_from_slice(&raw[..1]);
        for _ in 0..4 {
            let start = r.position();
            let count = r.u32()?;
            out.extend_from_slice(&raw[start..r.position()]);
            keyed(&mut r, count, |r| r.u8().map(drop))?.write(raw, out);
        }
        out.extend_from_slice(r.rest());
        Ok(())
    })
}

/// Entries that begin with a name; `rest` passes what follows it.
fn keyed<'a>(
    r: &mut Reader<'a>,
    count: u32,
    mut rest: impl FnMut(&mut Reader<'a>) -> Result<()>,
) -> Result<Sorted<'a>> {
    Sorted::read(r, count, |r| {
        let key = r.str16()?;
        rest(r)?;
        Ok(key)
    })
}

/// A rating and its time; the rating is the key.
fn time<'a>(r: &mut Reader<'a>) -> Result<&'a [u8]> {
    let entry = r.take(2 + 4, "time")?;
    Ok(&entry[..2])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Writer;

    type Rated = Vec<(String, i16)>;
    type Caps = Vec<(String, Vec<(i16, f32)>)>;

    fn write_groups(groups: &Rated) -> Vec<u8> {
        let mut w = Writer::new();
        w.u16(groups.len() as u16);
        for (name, rating) in groups {
            w.str16(name.as_bytes()).u16(*rating as u16);
        }
        w.into_vec()
    }

    fn write_tool(caps: &Caps, damage: &Rated) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(5).f32(1.5).u16(1).u32(caps.len() as u32);
        for (name, times) in caps {
            w.str16(name.as_bytes()).u16(20).u16(3).u32(times.len() as u32);
            for (rating, time) in times {
                w.u16(*rating as u16).f32(*time);
            }
        }
        w.u32(damage.len() as u32);
        for (name, amount) in damage {
            w.str16(name.as_bytes()).u16(*amount as u16);
        }
        w.u16(7);
        w.into_vec()
    }

    fn write_pointabilities(lists: &[Rated; 4]) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(0);
        for list in lists {
            w.u32(list.len() as u32);
            for (name, how) in list {
                w.str16(name.as_bytes()).u8(*how as u8);
            }
        }
        w.into_vec()
    }

    fn rated() -> impl Strategy<Value = Rated> {
        prop::collection::btree_map("[a-d]{0,3}", any::<i16>(), 0..6)
            .prop_map(|map| map.into_iter().collect())
    }

    fn caps() -> impl Strategy<Value = Caps> {
        let times = prop::collection::btree_map(any::<i16>(), 0.0f32..9.0, 0..5);
        let times = times.prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle();
        prop::collection::btree_map("[a-d]{0,3}", times, 0..5)
            .prop_map(|map| map.into_iter().collect())
    }

    fn two<T: Clone + std::fmt::Debug>(
        list: impl Strategy<Value = Vec<T>>,
    ) -> impl Strategy<Value = (Vec<T>, Vec<T>)> {
        list.prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
    }

    proptest! {
        #[test]
        fn order_is_the_only_thing_that_gets_lost(
            (one, two) in two(rated()),
            (caps, other_caps) in two(caps()),
            swap in any::<bool>(),
        ) {
            let sorted = |sort: fn(&[u8]) -> Option<Vec<u8>>, raw: Vec<u8>| sort(&raw).unwrap_or(raw);
            prop_assert_eq!(
                sorted(groups, write_groups(&one)),
                sorted(groups, write_groups(&two))
            );
            let mut shuffled = other_caps;
            for (_, times) in &mut shuffled {
                times.reverse();
            }
            prop_assert_eq!(
                sorted(tool_capabilities, write_tool(&caps, &one)),
                sorted(tool_capabilities, write_tool(&shuffled, &two))
            );
            let lists = |list: &Rated| {
                let mut lists = [list.clone(), Vec::new(), list.clone(), Vec::new()];
                if swap {
                    lists.reverse();
                }
                lists
            };
            prop_assert_eq!(
                sorted(pointabilities, write_pointabilities(&lists(&one))),
                sorted(pointabilities, write_pointabilities(&lists(&two)))
            );
            if one.len() > 1 {
                let mut less = one.clone();
                less.pop();
                let [a, b] = [&one, &less].map(|it| sorted(groups, write_groups(it)));
                prop_assert_ne!(a, b);
                let [a, b] =
                    [&one, &less].map(|it| sorted(tool_capabilities, write_tool(&caps, it)));
                prop_assert_ne!(a, b);
            }
        }

        #[test]
        fn sorting_keeps_the_length_and_is_done_once(data in prop::collection::vec(any::<u8>(), 0..80)) {
            for sort in [groups, tool_capabilities, pointabilities] {
                if let Some(sorted) = sort(&data) {
                    prop_assert_eq!(sorted.len(), data.len());
                    prop_assert_eq!(sort(&sorted), None);
                }
            }
        }
    }

    #[test]
    fn of_two_values_the_last_stays_the_last() {
        let list = |pairs: &[(&str, i16)]| {
            write_groups(&pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect())
        };
        let sorted = groups(&list(&[("b", 1), ("a", 2), ("a", 1)])).unwrap();
        assert_eq!(sorted, list(&[("a", 2), ("a", 1), ("b", 1)]));
        assert_eq!(groups(&sorted), None);
    }
}
