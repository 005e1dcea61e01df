//! Slices for training: the same for every number of threads, different in every epoch.

use std::sync::Arc;

use fastersam_datasets::augment::Augmentation;
use fastersam_datasets::phantom::Phantom;
use fastersam_datasets::{Batch, BatchLoader, SliceSet};
use fastersam_volume::KeyedRng;
use ndarray::{Array2, array};

fn slices() -> SliceSet {
    let cases = (0..2).map(|index| Phantom::Heart.acquire(1, index, 24).into_case()).collect();
    SliceSet::new(Arc::new(cases), 16)
}

fn epoch(set: &SliceSet, seed: u64, epoch: usize, threads: usize) -> Vec<Batch> {
    BatchLoader::new(set, set.order(seed, epoch), 4, 0, Some((seed, epoch)), threads).collect()
}

#[test]
fn augmentation_does_not_depend_on_threads_batches_or_order() {
    let set = slices();
    let expected = epoch(&set, 5, 2, 1);
    assert_eq!(expected.len(), set.len() / 4);
    for threads in [2, 3, 8] {
        assert_eq!(epoch(&set, 5, 2, threads), expected, "{threads} threads");
    }
    // In pools of rayon's too, and sample by sample.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(pool.install(|| epoch(&set, 5, 2, 2)), expected);
    for batch in &expected {
        for (place, &slice) in batch.slices.iter().enumerate() {
            let sample = set.sample(slice, Some((5, 2)));
            assert_eq!(sample.image, batch.images[place * 256..(place + 1) * 256]);
            assert_eq!(sample.label, batch.labels[place * 256..(place + 1) * 256]);
        }
    }
    // A loader that starts in the middle gives what is left.
    let rest: Vec<Batch> = BatchLoader::new(&set, set.order(5, 2), 4, 2, Some((5, 2)), 3).collect();
    assert_eq!(rest, expected[2..]);
}

#[test]
fn seed_epoch_and_sample_each_change_the_draw() {
    let set = slices();
    let draws = |seed: u64, epoch: usize| -> Vec<_> {
        (0..set.len()).map(|slice| set.sample(slice, Some((seed, epoch)))).collect()
    };
    let first = draws(1, 0);
    assert_eq!(first, draws(1, 0));
    for (seed, epoch) in [(1, 1), (2, 0)] {
        let same = draws(seed, epoch).iter().zip(&first).filter(|(a, b)| a == b).count();
        // One in four is not augmented; that both draws are the same by chance is rare.
        assert!(same < set.len() / 2, "{same} of {} slices are the same", set.len());
    }
    assert_ne!(set.order(1, 0), set.order(1, 1));
    assert_ne!(set.order(1, 0), set.order(2, 0));
}

#[test]
fn the_draws_are_those_of_the_protocol() {
    const N: u64 = 40_000;
    let (mut turned, mut rotated) = ([[0_usize; 2]; 4], [0_usize; 40]);
    let mut none = 0;
    for key in 0..N {
        match Augmentation::draw(&mut KeyedRng::new(3, &[key])) {
            Augmentation::Rot90Flip { quarter_turns, axis } => turned[quarter_turns][axis] += 1,
            Augmentation::Rotate { degrees } => rotated[(degrees + 20) as usize] += 1,
            Augmentation::None => none += 1,
        }
    }
    let close = |count: usize, share: f64, what: &str| {
        let expected = share * N as f64;
        assert!((count as f64 - expected).abs() < 5.0 * expected.sqrt(), "{what}: {count}, {expected} expected");
    };
    close(none, 0.25, "nothing");
    turned.iter().flatten().for_each(|&n| close(n, 0.5 / 8.0, "turned and flipped"));
    rotated.iter().for_each(|&n| close(n, 0.25 / 40.0, "rotated"));
}

#[test]
fn image_and_label_are_turned_alike() {
    let label: Array2<u8> = array![[1, 2, 3], [4, 5, 6]];
    let image = label.mapv(f32::from);
    for quarter_turns in 0..4 {
        for axis in 0..2 {
            let turn = Augmentation::Rot90Flip { quarter_turns, axis };
            assert_eq!(turn.apply(label.view()).mapv(f32::from), turn.apply(image.view()));
        }
    }
    let turn = Augmentation::Rotate { degrees: -20 };
    assert_eq!(turn.apply(label.view()).mapv(f32::from), turn.apply(image.view()));
    // numpy: np.flip(np.rot90(a, 1), 0).
    let turned = Augmentation::Rot90Flip { quarter_turns: 1, axis: 0 }.apply(label.view());
    assert_eq!(turned, array![[1, 4], [2, 5], [3, 6]]);
}
