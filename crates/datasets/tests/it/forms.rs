//! Every form is read as it was written; prepared data sets.

use std::fs;

use fastersam_datasets::custom;
use fastersam_datasets::forms::{
    self, AcdcH5, AcdcH5Slices, AcdcNifti, AcdcNpz, PreparedForm, SynapseNifti, SynapseNpz, write_phantoms,
};
use fastersam_datasets::phantom::{Phantom, PhantomOptions};
use fastersam_datasets::prepared::{self, Prepared};
use fastersam_datasets::{AxisOrder, DataSet, Form, LabelScheme, OpenOptions, check};
use fastersam_golden::real_data;
use ndarray::Axis;

const SEED: u64 = 3;
const SIZE: usize = 32;

fn options(cases: usize, scheme: LabelScheme, axes: AxisOrder) -> PhantomOptions {
    PhantomOptions { cases, size: SIZE, seed: SEED, label_scheme: Some(scheme), axes }
}

/// Writes, opens, imports, and compares every case of the files and of the prepared form with the phantom.
#[track_caller]
fn round_trip(form: Form, scheme: LabelScheme, axes: AxisOrder) {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("data");
    write_phantoms(&at, form, &options(4, scheme, axes)).unwrap();
    assert_eq!(forms::detect(&at).unwrap(), form);
    let open = OpenOptions { form: None, label_scheme: Some(scheme), axes };
    let set = DataSet::open(&at, &open).unwrap();
    let (family, n_scans) =
        if form.name().starts_with("synapse") { (Phantom::Abdomen, 4) } else { (Phantom::Heart, 8) };
    assert_eq!(set.len(), n_scans, "{form:?}");
    let imported = folder.path().join("prepared");
    let manifest = prepared::import(&set, &imported, |_| {}).unwrap();
    assert_eq!((manifest.source.form.as_str(), manifest.source.axes), (form.name(), axes));
    let prepared = Prepared::open(&imported).unwrap();
    let again = DataSet::open(&imported, &OpenOptions::default()).unwrap();
    assert_eq!(again.labels, family.labels());
    let knows_spacing = form.name().ends_with("nifti");
    for index in 0..n_scans {
        let expected = family.acquire(SEED, index, SIZE).into_case();
        for case in [set.read(index).unwrap(), again.read(index).unwrap()] {
            let what = format!("{form:?} {scheme:?} {axes:?} {}", case.id);
            // Bit for bit.
            assert_eq!(case.image, expected.image, "{what}");
            assert_eq!(case.label, expected.label, "{what}");
            if knows_spacing {
                assert_eq!(
                    (case.spacing_mm, case.orientation),
                    (expected.spacing_mm, expected.orientation),
                    "{what}"
                );
            }
        }
        let last = expected.image.len_of(Axis(0)) - 1;
        let (image, label) = prepared.slice(index, last).unwrap();
        assert_eq!(image, expected.image.index_axis(Axis(0), last));
        assert_eq!(label, expected.label.index_axis(Axis(0), last));
    }
    let report = check::check(&again, &[], false);
    assert!(report.problems.is_empty(), "{report}");
    let names = |set: &DataSet, split: &str| -> Vec<String> {
        set.split(split).unwrap().into_iter().map(|case| set.key(case).to_owned()).collect()
    };
    assert_eq!(names(&again, "all"), names(&set, "all"));
}

#[test]
fn synapse_in_every_form_label_scheme_and_axis_order_is_the_same() {
    for scheme in LabelScheme::ALL {
        round_trip(&SynapseNifti, scheme, AxisOrder::Zyx);
        for axes in AxisOrder::ALL {
            round_trip(&SynapseNpz, scheme, axes);
        }
    }
}

#[test]
fn acdc_in_every_form_and_axis_order_is_the_same() {
    round_trip(&AcdcNifti, LabelScheme::Raw, AxisOrder::Zyx);
    let forms: [Form; 3] = [&AcdcH5, &AcdcH5Slices, &AcdcNpz];
    for form in forms {
        for axes in AxisOrder::ALL {
            round_trip(form, LabelScheme::Raw, axes);
        }
    }
}

#[test]
fn every_form_of_the_registry_has_a_name_of_its_own_and_knows_what_it_wrote() {
    for (at, form) in forms::ALL.into_iter().enumerate() {
        assert_eq!(form.name().parse::<Form>().unwrap(), form);
        assert!(!form.layout().is_empty() && forms::ALL[..at].iter().all(|other| other.name() != form.name()));
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("data");
        write_phantoms(&at, form, &PhantomOptions { cases: 2, size: 16, ..PhantomOptions::default() }).unwrap();
        let again = write_phantoms(&at, form, &PhantomOptions::default()).unwrap_err().to_string();
        assert!(again.contains("not empty"), "{form:?}: {again}");
        if form.name() == "nifti" {
            // Its files have to be described first.
            let mut draft = custom::describe(&at, None, &|_, _| {}).unwrap();
            assert!(forms::detect(&at).unwrap_err().to_string().contains(custom::FILE_NAME));
            // Pixels that are larger than the slices are thick look like slices.
            draft.description.axis = custom::SliceAxis::Axial;
            fs::write(at.join(custom::FILE_NAME), draft.to_toml().unwrap()).unwrap();
        }
        assert_eq!(forms::detect(&at).unwrap(), form);
        let options = OpenOptions { label_scheme: Some(LabelScheme::Transunet), ..OpenOptions::default() };
        let options = if form.name() == "synapse-npz" { options } else { OpenOptions::default() };
        let set = DataSet::open(&at, &options).unwrap();
        assert_eq!(set.form, form);
        let cases = set.load("all").unwrap();
        let (family, n_scans) =
            if cases[0].id.starts_with("case") { (Phantom::Abdomen, 2) } else { (Phantom::Heart, 4) };
        assert_eq!(cases.len(), n_scans, "{form:?}");
        for (index, case) in cases.iter().enumerate() {
            let expected = family.acquire(1, index, 16).label;
            assert_eq!(case.label, expected, "{form:?} {}", case.id);
        }
    }
    let unknown = "synapse-tiff".parse::<Form>().unwrap_err().to_string();
    assert!(unknown.contains("synapse-tiff") && unknown.contains("acdc-h5-slices"), "{unknown}");
}

#[test]
fn a_label_scheme_must_be_named_and_a_wrong_one_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("data");
    write_phantoms(&at, &SynapseNpz, &options(6, LabelScheme::Transunet, AxisOrder::Zyx)).unwrap();
    let error = DataSet::open(&at, &OpenOptions::default()).unwrap_err().to_string();
    assert!(error.contains("name the label scheme"), "{error}");
    let problems = |scheme| {
        let open = OpenOptions { label_scheme: Some(scheme), ..OpenOptions::default() };
        check::check(&DataSet::open(&at, &open).unwrap(), &[], true).problems
    };
    assert_eq!(problems(LabelScheme::Transunet), Vec::<String>::new());
    for wrong in [LabelScheme::Raw, LabelScheme::Samed] {
        let problems = problems(wrong);
        assert!(problems.iter().any(|p| p.contains("label scheme")), "{wrong:?}: {problems:?}");
    }
}

#[test]
fn a_check_says_what_is_wrong_where() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("data");
    write_phantoms(&at, &AcdcH5, &options(20, LabelScheme::Raw, AxisOrder::Zyx)).unwrap();
    let problems = || check::check(&DataSet::open(&at, &OpenOptions::default()).unwrap(), &[], false).problems;
    assert_eq!(problems(), Vec::<String>::new());
    let file = at.join("ACDC_training_volumes/patient004_frame01.h5");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(problems().iter().any(|p| p.contains("patient004_frame01.h5")));
    fs::write(&file, &bytes).unwrap();
    // As published data, 20 patients are a part of each split.
    fs::remove_file(at.join("phantom.toml")).unwrap();
    let found = problems();
    assert!(
        found.iter().any(|p| p.starts_with("train is not complete: 58 of 70 are missing: patient022")),
        "{found:?}"
    );
    let set = DataSet::open(&at, &OpenOptions::default()).unwrap();
    let report = check::check(&set, &["valid".to_owned(), "nosuch".to_owned()], true);
    assert!(report.problems.iter().any(|p| p.contains("valid is not complete")), "{report}");
    assert!(report.problems.iter().any(|p| p.contains("no split \"nosuch\"")), "{report}");
}

#[test]
fn a_prepared_data_set_notices_a_changed_value() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("prepared");
    write_phantoms(&at, &PreparedForm, &options(2, LabelScheme::Raw, AxisOrder::Zyx)).unwrap();
    let case = DataSet::open(&at, &OpenOptions::default()).unwrap().read(0).unwrap();
    let manifest = at.join("dataset.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let shape = format!("shape = [{}, ", case.image.dim().0);
    let fails = |from: &str, to: &str, reason: &str| {
        assert!(text.contains(from), "{text}");
        let changed = text.replacen(from, to, 1);
        let message = |text: &str| {
            fs::write(&manifest, text).unwrap();
            let result = DataSet::open(&at, &OpenOptions::default()).and_then(|set| set.read(0));
            result.map(|_| from.to_owned()).unwrap_err().to_string()
        };
        let unsealed = message(&changed);
        assert!(["seal", "format 1", "unknown field"].iter().any(|word| unsealed.contains(word)), "{unsealed}");
        // As whoever means harm would seal it.
        let seal = &text.split_once("seal = \"").unwrap().1[..64];
        let resealed = message(&fastersam_files::seal(&changed.replacen(seal, fastersam_files::UNSEALED, 1)));
        assert!(resealed.contains(reason), "{from} -> {to}: {resealed}");
    };
    fails("\nsha256 = \"", "\nsha256 = \"0", "hash");
    fails(&shape, "shape = [1, ", "hash");
    fails(&shape, "shape = [999999999999, ", "claims the shape");
    fails("id = \"case0001\"", "id = \"../case0001\"", "names a case");
    fails("format = 2", "format = 1", "format 1");
    fails("axes = \"zyx\"", "axes = \"zxy\"", "zxy");
    fails("name = ", "colour = ", "unknown field");
    // Another seed's file under the same name.
    fs::write(&manifest, &text).unwrap();
    fs::copy(at.join("cases/case0002.npz"), at.join("cases/case0001.npz")).unwrap();
    assert!(DataSet::open(&at, &OpenOptions::default()).unwrap().read(0).is_err());
}

/// Real data, where the environment names the folder whose `data/` holds them.
#[test]
fn real_data_have_the_published_counts() {
    for name in ["acdc", "btcv", "acdc_h5"] {
        let Some(path) = real_data(&format!("data/{name}")) else { continue };
        let report = check::check(&DataSet::open(&path, &OpenOptions::default()).unwrap(), &[], name == "acdc_h5");
        println!("{report}");
        assert!(report.problems.is_empty(), "{name}");
        let slices = |split: &str| report.splits.get(split).map(|split| split.slices);
        match name {
            "acdc" => assert_eq!((slices("train"), slices("valid")), (Some(1304), Some(182))),
            "btcv" => assert_eq!(slices("train"), Some(2211)),
            _ => assert!(slices("train").is_some_and(|n| n > 0)),
        }
    }
}

/// The h5 form of some of the same patients, where both are there.
#[test]
fn real_scans_in_two_forms_are_the_same() {
    let (Some(nifti), Some(h5)) = (real_data("data/acdc"), real_data("data/acdc_h5")) else { return };
    let [nifti, h5] = [nifti, h5].map(|path| DataSet::open(&path, &OpenOptions::default()).unwrap());
    let place = |id: &str| (0..nifti.len()).find(|&case| nifti.id(case) == id);
    let mut compared = 0;
    for case in 0..h5.len() {
        let Some(twin) = place(h5.id(case)) else { continue };
        let (ours, theirs) = (nifti.read(twin).unwrap(), h5.read(case).unwrap());
        assert_eq!(ours.label, theirs.label, "{}", ours.id);
        let largest = (&ours.image - &theirs.image).fold(0.0_f32, |worst, d| worst.max(d.abs()));
        println!("{}: labels are the same, gray values differ by {largest:.1e} at most", ours.id);
        // The NIfTI files' 12 bits.
        assert!(largest < 1.0 / 4095.0, "{}: {largest}", ours.id);
        compared += 1;
    }
    assert!(compared > 0);
}
