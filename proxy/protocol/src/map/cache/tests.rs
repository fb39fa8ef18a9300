use super::*;
use crate::NameMap;
use crate::map::IdMap;
use crate::to_client;
use crate::wire::Writer;

/// A block of format 29 whose first node is `first`, all others 10.
fn block(position: [i16; 3], first: u16) -> Bytes {
    let mut plain = vec![2, 0xff, 0xff, 2, 2];
    plain.extend_from_slice(&first.to_be_bytes());
    plain.extend([0, 10].repeat(4095));
    plain.extend([0; 2 * 4096 + 1]);
    let mut w = Writer::command(to_client::BLOCKDATA);
    w.v3s16(position).raw(&zstd::stream::encode_all(&plain[..], 3).unwrap()).u8(2);
    w.finish()
}

fn moved(by: u16) -> Translation {
    Translation::new(IdMap::new((1000..3000).map(|i| (i, i + by))), NameMap::default())
}

#[test]
fn a_block_is_translated_once_for_all_positions_and_players() {
    let cache = BlockCache::new(1 << 20);
    let (t, again) = (moved(1), moved(1));
    let first = cache.translate(&block([1, 2, 3], 1500), &t, 29).unwrap().unwrap();
    let alone = BlockRemapper::default().remap(&block([1, 2, 3], 1500), &t, 29);
    assert_eq!(alone, Ok(Some(first.clone())));
    let same = cache.translate(&block([1, 2, 3], 1500), &again, 29).unwrap().unwrap();
    assert_eq!(same.as_ptr(), first.as_ptr(), "not even copied");
    let elsewhere = cache.translate(&block([4, 5, 6], 1500), &again, 29).unwrap().unwrap();
    assert_eq!(elsewhere[..PREFIX], block([4, 5, 6], 0)[..PREFIX]);
    assert_eq!(elsewhere[PREFIX..], first[PREFIX..]);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.entries), (2, 1, 1));
    assert_eq!(stats.bytes, ENTRY + first.len());

    let other = cache.translate(&block([1, 2, 3], 1500), &moved(2), 29).unwrap().unwrap();
    assert_ne!(other, first);
    assert_eq!(cache.stats().misses, 2);
}

#[test]
fn blocks_that_stay_are_remembered_too() {
    let cache = BlockCache::new(1 << 20);
    let t = Translation::new(IdMap::new([(10, 10), (11, 12)]), NameMap::default());
    for hits in 0..3 {
        assert_eq!(cache.translate(&block([0; 3], 10), &t, 29), Ok(None));
        assert_eq!((cache.stats().hits, cache.stats().misses), (hits, 1));
    }
}

#[test]
fn the_identity_looks_at_nothing() {
    let cache = BlockCache::new(1 << 20);
    let mut identity = vec![Translation::new(IdMap::identity(), NameMap::default())];
    let hand = NameMap::new([], [], [], Some("p_hand".into()));
    identity.push(Translation::new(IdMap::new([(7, 7)]), hand));
    for t in identity {
        assert_eq!(cache.translate(b"not a block", &t, 29), Ok(None));
    }
    assert_eq!(cache.stats(), BlockCacheStats::default());
}

#[test]
fn memory_is_bounded_and_what_is_used_stays() {
    let limit = SHARDS * 2000;
    let cache = BlockCache::new(limit);
    let t = moved(1);
    for first in 1000..1600 {
        cache.translate(&block([0; 3], first), &t, 29).unwrap();
        // Asked for again and again, so it gets its second chance.
        cache.translate(&block([0; 3], 2999), &t, 29).unwrap();
        assert!(cache.stats().bytes <= limit);
    }
    let stats = cache.stats();
    assert!(stats.evictions > 0 && stats.entries > SHARDS);
    assert_eq!(stats.misses - stats.evictions, stats.entries as u64);
    assert_eq!(stats.misses, 601, "the block in use was never given up");
    for shard in &cache.shards {
        let shard = lock(shard);
        assert_eq!(shard.bytes, shard.entries.values().map(Entry::size).sum::<usize>());
        assert_eq!(shard.queue.len(), shard.entries.len());
    }

    let nothing = BlockCache::new(0);
    for _ in 0..2 {
        assert!(nothing.translate(&block([0; 3], 1000), &t, 29).unwrap().is_some());
    }
    assert_eq!((nothing.stats().misses, nothing.stats().bytes), (2, 0));
}

#[test]
fn broken_blocks_are_errors_every_time() {
    let cache = BlockCache::new(1 << 20);
    for _ in 0..2 {
        assert!(cache.translate(&block([0; 3], 1000)[..30], &moved(1), 29).is_err());
        assert!(cache.translate(&block([0; 3], 1000)[..5], &moved(1), 29).is_err());
        assert!(cache.translate(&block([0; 3], 1000), &moved(1), 27).is_err());
    }
    assert_eq!((cache.stats().entries, cache.stats().hits), (0, 0));
}

#[test]
fn threads_share_what_one_of_them_made() {
    let cache = BlockCache::new(1 << 22);
    let t = moved(1);
    let blocks: Vec<Bytes> = (1000..1100).map(|first| block([0; 3], first)).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for block in &blocks {
                    assert!(cache.translate(block, &t, 29).unwrap().is_some());
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!(stats.entries, 100);
    assert_eq!(stats.hits + stats.misses, 400);
    assert!((100..=400).contains(&stats.misses));
    assert!(lock(&cache.idle).len() <= 4);
}
