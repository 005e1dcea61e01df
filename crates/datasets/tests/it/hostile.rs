//! Broken and hostile files: a typed error that names the file and the reason, in bounded memory; never a panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use fastersam_datasets::custom::Description;
use fastersam_datasets::forms::{AcdcH5, AcdcNifti, Described, PreparedForm, SynapseNpz, write_phantoms};
use fastersam_datasets::phantom::PhantomOptions;
use fastersam_datasets::prepared::Prepared;
use fastersam_datasets::{DataSet, DatasetError, Form, LabelScheme, OpenOptions};
use fastersam_volume::{write_image, write_labels};
use ndarray::Array3;
use proptest::prelude::*;

use crate::watched::{LARGEST, Watched};

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Files of a few KiB ask for no more at once. Other tests of the same process hold less.
const LARGEST_ALLOWED: usize = 32 << 20;

/// Milliseconds are usual; the rest is for a busy machine.
const LONGEST_S: f64 = 20.0;

/// Puts a file where a reader expects it, and reads all there is.
fn read(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), DatasetError> {
    let put = |relative: &str| -> PathBuf {
        let path = folder.join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    };
    let voxels = Array3::from_elem((4, 5, 2), 1_u8);
    let options = OpenOptions { label_scheme: Some(LabelScheme::Transunet), ..OpenOptions::default() };
    let (path, form): (PathBuf, Form) = match name.split_once('.').unwrap().1 {
        "npz" => {
            put("train_npz/case0005_slice000.npz");
            (folder.to_owned(), &SynapseNpz)
        }
        "h5" => {
            put("patient001_frame01.h5");
            (folder.to_owned(), &AcdcH5)
        }
        "toml" => (put("own.toml"), &Described),
        "cfg" => {
            put("patient001/Info.cfg");
            (folder.to_owned(), &AcdcNifti)
        }
        // As image, then as label map.
        ending => {
            let (image, label) = (format!("img/img0005.{ending}"), format!("label/label0005.{ending}"));
            put(&image);
            put(&label);
            write_labels(&folder.join(&label), &voxels, [1.0; 3]).unwrap();
            let as_image = DataSet::open(folder, &options)?.read(0).map(|_| ());
            put(&label);
            write_image(&folder.join(&image), &voxels.mapv(f32::from), [1.0; 3]).unwrap();
            let as_label = DataSet::open(folder, &options)?.read(0).map(|_| ());
            return as_image.and(as_label);
        }
    };
    let set = DataSet::open(&path, &OpenOptions { form: Some(form), ..options })?;
    (0..set.len()).try_for_each(|case| set.read(case).map(|_| ()))
}

#[test]
fn every_file_of_the_corpus_is_refused_with_its_reason() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let expected = fs::read_to_string(corpus.join("expected.tsv")).unwrap();
    let mut failures = Vec::new();
    for line in expected.lines() {
        let (name, reason) = line.split_once('\t').unwrap();
        let bytes = fs::read(corpus.join(name)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        let start = Instant::now();
        let message = read(folder.path(), name, &bytes).err().map(|e| e.to_string());
        let (largest, seconds) = (LARGEST.load(Ordering::Relaxed), start.elapsed().as_secs_f64());
        let names_file = |m: &String| ["0005", "patient001", "own.toml"].iter().any(|file| m.contains(file));
        if !message.as_ref().is_some_and(|m| names_file(m) && m.contains(reason)) {
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
}

#[test]
fn every_odd_but_good_file_of_the_corpus_is_read() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut n_read = 0;
    for entry in fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("good_") {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let (to, form): (&str, Form) = if name.ends_with(".npz") {
            ("case0005_slice000.npz", &SynapseNpz)
        } else {
            ("patient001_frame01.h5", &AcdcH5)
        };
        fs::copy(&path, folder.path().join(to)).unwrap();
        let label_scheme = Some(LabelScheme::Transunet);
        // A folder of files only, without the usual folders around them.
        let set = DataSet::open(folder.path(), &OpenOptions { label_scheme, ..OpenOptions::default() }).unwrap();
        let case = set.read(0).unwrap();
        assert_eq!(set.form, form, "{name}");
        assert_eq!(case.image.dim(), if name.ends_with(".npz") { (1, 4, 5) } else { (2, 4, 5) }, "{name}");
        assert!(case.image.iter().all(|v| *v == 0.5) && case.label.iter().all(|v| *v == 1), "{name}");
        assert_eq!(case.spacing_mm, None);
        n_read += 1;
    }
    assert_eq!(n_read, 13);
}

/// A good file of each kind, by a name with its ending.
fn good_files() -> Vec<(&'static str, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let make = |form: Form, file: &str| {
        let at = folder.path().join(form.name());
        write_phantoms(&at, form, &PhantomOptions { cases: 5, size: 16, ..PhantomOptions::default() }).unwrap();
        fs::read(at.join(file)).unwrap()
    };
    let nifti = folder.path().join("scan.nii");
    write_labels(&nifti, &Array3::from_elem((4, 5, 2), 1_u8), [1.0; 3]).unwrap();
    let zipped = folder.path().join("scan.nii.gz");
    write_labels(&zipped, &Array3::from_elem((4, 5, 2), 1_u8), [1.0; 3]).unwrap();
    let own = b"name = \"x\"\nimage = \"images/{case}.nii\"\nlabel = \"labels/{case}.nii\"\naxis = \"axial\"\n\
                intensity = { window = { low = 0.0, high = 1.0 } }\nlabels = [{ code = 1, name = \"a\" }]\n\
                [splits]\ntrain = [\"a\"]\n";
    vec![
        ("x.npz", make(&SynapseNpz, "train_npz/case0005_slice000.npz")),
        ("x.h5", make(&AcdcH5, "ACDC_training_volumes/patient001_frame01.h5")),
        ("x.nii", fs::read(nifti).unwrap()),
        ("x.nii.gz", fs::read(zipped).unwrap()),
        ("x.toml", own.to_vec()),
        ("x.cfg", b"ED: 1\nES: 12\nGroup: DCM\n".to_vec()),
    ]
}

#[test]
fn good_files_are_read_and_every_truncation_is_an_error() {
    for (name, bytes) in good_files() {
        let folder = tempfile::tempdir().unwrap();
        let whole = read(folder.path(), name, &bytes);
        // The TOML file and Info.cfg name files that are not there.
        match name {
            "x.toml" | "x.cfg" => assert!(matches!(
                whole,
                Err(DatasetError::Missing { .. } | DatasetError::Malformed { .. } | DatasetError::File(_))
            )),
            _ => whole.unwrap(),
        }
        let step = (bytes.len() / 150).max(1);
        for length in (0..bytes.len()).step_by(step) {
            let folder = tempfile::tempdir().unwrap();
            let result = read(folder.path(), name, &bytes[..length]);
            assert!(result.is_err(), "{name} cut to {length} of {} bytes", bytes.len());
        }
    }
}

/// Bytes of a file, changed at random: some overwritten, perhaps cut off, perhaps with a piece twice.
fn damage(bytes: &[u8], changes: &[(u32, u8)], cut: Option<u32>, again: Option<(u32, u32)>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (place, value) in changes {
        let at = *place as usize % bytes.len();
        bytes[at] = *value;
    }
    if let Some((from, to)) = again {
        let (from, to) = (from as usize % bytes.len(), to as usize % bytes.len());
        let piece = bytes[from.min(to)..from.max(to)].to_vec();
        bytes.splice(to..to, piece);
    }
    if let Some(cut) = cut {
        bytes.truncate(cut as usize % bytes.len());
    }
    bytes
}

#[test]
fn random_damage_never_panics() {
    let files = good_files();
    let folder = tempfile::tempdir().unwrap();
    // Changes at the beginning, where the headers are, or anywhere.
    let place = || prop_oneof![0_u32..512, any::<u32>()];
    let changes = proptest::collection::vec((place(), any::<u8>()), 0..6);
    let again = proptest::option::weighted(0.1, (any::<u32>(), any::<u32>()));
    let input = (0..files.len(), changes, proptest::option::weighted(0.2, any::<u32>()), again);
    let config = ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((file, changes, cut, again) in input)| {
        let (name, bytes) = &files[file];
        let folder = tempfile::tempdir_in(folder.path()).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        let _ = read(folder.path(), name, &damage(bytes, &changes, cut, again));
        let largest = LARGEST.load(Ordering::Relaxed);
        prop_assert!(largest <= LARGEST_ALLOWED, "{name} made the reader ask for {largest} bytes");
    });
}

#[test]
fn a_damaged_prepared_data_set_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("prepared");
    write_phantoms(&at, &PreparedForm, &PhantomOptions { cases: 1, size: 16, ..PhantomOptions::default() })
        .unwrap();
    let files =
        [at.join("dataset.toml"), at.join("cases/case0001.npz")].map(|path| (fs::read(&path).unwrap(), path));
    let changes = proptest::collection::vec((any::<u32>(), any::<u8>()), 1..4);
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((file, changes, cut) in (0..2_usize, changes, proptest::option::weighted(0.2, any::<u32>())))| {
        let (bytes, path) = &files[file];
        let damaged = damage(bytes, &changes, cut, None);
        fs::write(path, &damaged).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        if let Ok(prepared) = Prepared::open(&at) {
            for case in 0..prepared.manifest.cases.len() {
                let _ = (prepared.case(case), prepared.slice(case, 0));
            }
        }
        fs::write(path, bytes).unwrap();
        prop_assert!(LARGEST.load(Ordering::Relaxed) <= LARGEST_ALLOWED);
    });
}

#[test]
fn folders_and_pipes_are_no_files() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train_npz/case0005_slice000.npz", "test_vol_h5/case0008.npy.h5"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    let label_scheme = Some(LabelScheme::Transunet);
    let set = DataSet::open(folder.path(), &OpenOptions { label_scheme, ..OpenOptions::default() }).unwrap();
    for case in 0..2 {
        assert!(set.read(case).unwrap_err().to_string().contains("is a folder"));
    }
    #[cfg(unix)]
    if std::process::Command::new("mkfifo").arg(folder.path().join("own.toml")).status().is_ok_and(|s| s.success())
    {
        let error = Description::read(&folder.path().join("own.toml")).unwrap_err();
        assert!(error.to_string().contains("no file"), "{error}");
    }
}

#[test]
fn a_description_does_not_lead_out_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    for pattern in ["/etc/{case}", "../{case}.nii", "a/../../{case}.nii"] {
        let text = format!(
            "name = \"x\"\nimage = \"{pattern}\"\nlabel = \"{{case}}.nii\"\nintensity = \"unit\"\n\
             labels = [{{ code = 1, name = \"a\" }}]\n"
        );
        fs::write(&file, text).unwrap();
        assert!(Description::read(&file).unwrap_err().to_string().contains("relative"), "{pattern}");
    }
}
