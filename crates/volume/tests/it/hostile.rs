//! Broken and hostile NIfTI files: an error that names the file and the reason, in bounded memory; never a panic.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use fastersam_volume::{Orientation, Scan, ScanFile, write_image, write_labels};
use ndarray::Array3;
use proptest::prelude::*;

use crate::watched::{LARGEST, Watched};

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Files of a few KiB ask for no more at once. Other tests of the same process hold less.
const LARGEST_ALLOWED: usize = 32 << 20;

/// Milliseconds are usual; the rest is for a busy machine.
const LONGEST_S: f64 = 20.0;

#[test]
fn every_file_of_the_corpus_is_refused_with_its_reason() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let expected = fs::read_to_string(corpus.join("expected.tsv")).unwrap();
    let mut failures = Vec::new();
    for line in expected.lines() {
        let (name, reason) = line.split_once('\t').unwrap();
        let path = corpus.join(name);
        LARGEST.store(0, Ordering::Relaxed);
        let start = Instant::now();
        let message = Scan::read(&path).err().map(|e| e.to_string());
        let (largest, seconds) = (LARGEST.load(Ordering::Relaxed), start.elapsed().as_secs_f64());
        if !message.as_ref().is_some_and(|m| m.contains(name) && m.contains(reason)) {
            failures.push(format!("{name}, expected {reason:?}: {message:?}"));
        }
        if largest > LARGEST_ALLOWED {
            failures.push(format!("{name} made the reader ask for {largest} bytes"));
        }
        if seconds > LONGEST_S {
            failures.push(format!("{name} took the reader {seconds} s"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let n_files =
        fs::read_dir(&corpus).unwrap().filter(|e| e.as_ref().unwrap().path().extension() != Some("tsv".as_ref()));
    // The script that makes them lies beside them.
    assert_eq!(n_files.count(), expected.lines().count() + 1);
}

/// A good file, plain and compressed.
fn good_files() -> Vec<(&'static str, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &'static str| {
        let path = folder.path().join(name);
        write_labels(&path, &Array3::from_elem((4, 5, 2), 1_u8), [1.0; 3]).unwrap();
        (name, fs::read(path).unwrap())
    };
    vec![make("x.nii"), make("x.nii.gz")]
}

#[test]
fn every_truncation_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in good_files() {
        let path = folder.path().join(name);
        fs::write(&path, &bytes).unwrap();
        Scan::read(&path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(Scan::read(&path).is_err(), "{name} cut to {length} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn random_damage_never_panics() {
    let files = good_files();
    let folder = tempfile::tempdir().unwrap();
    // Changes at the beginning, where the header is, or anywhere.
    let place = || prop_oneof![0_u32..360, any::<u32>()];
    let changes = proptest::collection::vec((place(), any::<u8>()), 0..6);
    let input = (0..files.len(), changes, proptest::option::weighted(0.2, any::<u32>()));
    let config = ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((file, changes, cut) in input)| {
        let (name, bytes) = &files[file];
        let mut damaged = bytes.clone();
        for (place, value) in changes {
            let at = place as usize % damaged.len();
            damaged[at] = value;
        }
        damaged.truncate(cut.map_or(damaged.len(), |cut| cut as usize % damaged.len()));
        let path = folder.path().join(name);
        fs::write(&path, &damaged).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        if let Ok(scan) = Scan::read(&path) {
            let (volume, _) = scan.oriented(Orientation::default());
            let back = scan.to_file_axes(&volume.mapv(|_| 1), Orientation::default());
            prop_assert_eq!(back.dim(), scan.voxels.dim());
        }
        let _ = ScanFile::open(&path).and_then(|mut file| file.survey());
        let largest = LARGEST.load(Ordering::Relaxed);
        prop_assert!(largest <= LARGEST_ALLOWED, "{name} made the reader ask for {largest} bytes");
    });
}

#[test]
fn folders_are_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let scan = folder.path().join("scan.nii.gz");
    fs::create_dir(&scan).unwrap();
    assert!(Scan::read(&scan).unwrap_err().to_string().contains("is a folder"));
}

#[test]
fn hostile_headers_are_refused_before_anything_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii");
    write_image(&path, &Array3::zeros((2, 2, 2)), [1.0; 3]).unwrap();
    let good = fs::read(&path).unwrap();
    let refuse = |what: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let message = Scan::read(&path).err().map(|e| e.to_string());
        assert!(message.as_ref().is_some_and(|m| m.contains("scan.nii")), "{what}: {message:?}");
    };
    let put = |at: usize, value: [u8; 2]| move |bytes: &mut Vec<u8>| bytes[at..at + 2].copy_from_slice(&value);
    refuse("terabytes", &|bytes| {
        for axis in 0..3 {
            put(42 + 2 * axis, [0xff, 0x7f])(bytes);
        }
    });
    refuse("an empty axis", &put(42, [0, 0]));
    refuse("no axes", &put(40, [0, 0]));
    refuse("four dimensions", &|bytes| {
        put(40, [4, 0])(bytes);
        put(48, [2, 0])(bytes);
    });
    refuse("an unknown type", &put(70, [0x39, 0x30]));
    refuse("complex numbers", &|bytes| {
        put(70, [32, 0])(bytes);
        put(72, [64, 0])(bytes);
    });
    // Where the spacing alone says how far apart the voxels are.
    for (what, mm) in [("spacing 0", 0.0_f32), ("spacing NaN", f32::NAN)] {
        refuse(what, &|bytes| {
            put(254, [0, 0])(bytes);
            bytes[80..84].copy_from_slice(&mm.to_le_bytes());
        });
    }
    refuse("an infinite affine", &|bytes| bytes[280..284].copy_from_slice(&f32::INFINITY.to_le_bytes()));
    refuse("an offset beyond the file", &|bytes| bytes[108..112].copy_from_slice(&1e8_f32.to_le_bytes()));
    refuse("a negative offset", &|bytes| bytes[108..112].copy_from_slice(&(-1.0_f32).to_le_bytes()));
    refuse("cut off", &|bytes| bytes.truncate(360));
}
