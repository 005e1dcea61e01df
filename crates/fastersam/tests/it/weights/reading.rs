use std::path::Path;

use fastersam::weights::{WeightError, WeightFile, WeightFormat, recognise};

use super::files::{Entry, Folder, Stored, counting, entry, legacy, pytorch, safetensors, with_header};

fn entries() -> Vec<Entry> {
    vec![counting("a.weight", &[3, 5]), entry("b", &[], [-2.5]), counting("c.bias", &[2, 1, 4])]
}

#[track_caller]
fn check(path: &Path, entries: &[Entry]) {
    let file = WeightFile::open(path).unwrap();
    assert_eq!(file.tensors.len(), entries.len(), "{:?}", file.tensors);
    for Entry { key, shape, values } in entries {
        assert_eq!(file.shape(key).unwrap(), shape, "{key}");
        assert_eq!(file.read(key).unwrap(), *values, "{key}");
    }
}

#[test]
fn safetensors_of_every_float_type() {
    let folder = Folder::new();
    for stored in [Stored::F32, Stored::F16, Stored::Bf16] {
        let path = folder.write("x.safetensors", &safetensors(&entries(), stored));
        check(&path, &entries());
        assert_eq!(WeightFile::open(&path).unwrap().format, WeightFormat::Safetensors);
    }
}

#[test]
fn pytorch_checkpoints_as_they_are_nested() {
    let folder = Folder::new();
    for nesting in [&[] as &[&str], &["model"], &["state_dict"], &["model_state_dict", "module"]] {
        let path = folder.write("x.pth", &pytorch(&entries(), nesting));
        check(&path, &entries());
        assert_eq!(WeightFile::open(&path).unwrap().format, WeightFormat::PyTorch);
    }
}

#[test]
fn the_form_before_pytorch_1_6_is_read() {
    let folder = Folder::new();
    let path = folder.write("x.pth", &legacy(&entries()));
    check(&path, &entries());
}

#[test]
fn wrappers_are_stripped() {
    let wrapped: Vec<Entry> =
        entries().into_iter().map(|e| Entry { key: format!("module.model.{}", e.key), ..e }).collect();
    let folder = Folder::new();
    let path = folder.write("x.safetensors", &safetensors(&wrapped, Stored::F32));
    check(&path, &entries());
}

#[test]
fn a_key_under_two_wrappers_is_refused() {
    let folder = Folder::new();
    let twice = [counting("model.a", &[2]), counting("module.a", &[2])];
    let path = folder.write("x.safetensors", &safetensors(&twice, Stored::F32));
    let error = WeightFile::open(&path).unwrap_err();
    assert!(matches!(&error, WeightError::Tensor { key, .. } if key == "a"), "{error}");
}

#[test]
fn the_hash_is_sha_256_of_the_file() {
    let folder = Folder::new();
    // A file whose hash is easy to check with any other tool.
    let bytes = with_header(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]);
    let file = WeightFile::open(&folder.write("x", &bytes)).unwrap();
    let expected = fastersam_files::sha256_of_file(file.path()).unwrap();
    assert_eq!(file.sha256, expected);
    assert_eq!(file.sha256.len(), 64);
}

#[test]
fn what_is_no_weight_file_is_named() {
    let folder = Folder::new();
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("empty.pth", Vec::new(), "empty"),
        ("page.pth", b"<!DOCTYPE html><html>Not found</html>".to_vec(), "<!DOCTYPE html>"),
        ("scan.nii.gz", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2], "begins with"),
        ("none.safetensors", with_header("{}", &[]), "no tensor"),
        ("long.safetensors", [vec![0xff; 8], b"{}".to_vec()].concat(), "header"),
    ];
    for (name, bytes, reason) in cases {
        let error = WeightFile::open(&folder.write(name, &bytes)).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, WeightError::NotACheckpoint { .. }), "{name}: {text}");
        assert!(text.contains(name) && text.contains(reason), "{name}: {text}");
    }
    let error = WeightFile::open(folder.path()).unwrap_err();
    assert!(matches!(error, WeightError::NotACheckpoint { .. }), "{error}");
    let error = WeightFile::open(&folder.path().join("absent.pth")).unwrap_err();
    assert!(matches!(error, WeightError::File(_)), "{error}");
}

#[test]
fn every_truncation_is_an_error() {
    let folder = Folder::new();
    for (name, bytes) in [
        ("x.safetensors", safetensors(&entries(), Stored::F32)),
        ("x.pth", pytorch(&entries(), &["model"])),
        ("old.pth", legacy(&entries())),
    ] {
        for len in 0..bytes.len() {
            let error = WeightFile::open(&folder.write(name, &bytes[..len])).unwrap_err();
            let is_typed = matches!(error, WeightError::Damaged { .. } | WeightError::NotACheckpoint { .. });
            assert!(is_typed, "{name} cut to {len} bytes: {error}");
            // Once the format shows, the advice is to download again.
            if len > bytes.len() / 2 {
                assert!(error.to_string().contains("download"), "{name}, {len}: {error}");
            }
        }
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let folder = Folder::new();
    let huge = usize::MAX;
    for header in [
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,12]}}"#.to_owned(),
        r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#.to_owned(),
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#.to_owned(),
        format!(r#"{{"a":{{"dtype":"F32","shape":[{huge},2],"data_offsets":[0,8]}}}}"#),
        format!(r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":[0,{huge}]}}}}"#),
        r#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#.to_owned(),
        r#"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#.to_owned(),
        r#"{"a":[1,2]}"#.to_owned(),
        r#"{"a":"#.to_owned(),
    ] {
        let bytes = with_header(&header, &[0; 8]);
        let error = WeightFile::open(&folder.write("x.safetensors", &bytes)).unwrap_err();
        assert!(matches!(error, WeightError::Damaged { .. }), "{header}: {error}");
    }
}

#[test]
fn random_damage_never_panics() {
    let folder = Folder::new();
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for (name, whole) in [
        ("x.safetensors", safetensors(&entries(), Stored::F32)),
        ("x.pth", pytorch(&entries(), &["state_dict"])),
        ("old.pth", legacy(&entries())),
    ] {
        let mut survived = 0;
        for _ in 0..500 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            let Ok(file) = WeightFile::open(&folder.write(name, &bytes)) else { continue };
            let _ = recognise(&file);
            for (key, tensor) in &file.tensors {
                // A damaged shape may claim more than the file holds; the loader compares shapes
                // before it reads.
                if tensor.len() < 1 << 20 {
                    let _ = file.read(key);
                }
            }
            survived += 1;
        }
        assert!(survived > 0, "{name}: no damaged file could be opened");
    }
}

#[test]
fn values_that_are_not_finite_are_refused() {
    let folder = Folder::new();
    let bytes = safetensors(&[entry("a", &[2], [1.0, f32::NAN])], Stored::F32);
    let file = WeightFile::open(&folder.write("x.safetensors", &bytes)).unwrap();
    let error = file.read("a").unwrap_err().to_string();
    assert!(error.contains("not finite") && error.contains("x.safetensors: a"), "{error}");
}

#[test]
fn unknown_keys_are_shown() {
    let folder = Folder::new();
    let path = folder.write("resnet.pth", &pytorch(&[counting("conv1.weight", &[2, 2])], &[]));
    let error = recognise(&WeightFile::open(&path).unwrap()).unwrap_err().to_string();
    assert!(error.contains("conv1.weight") && error.contains("resnet.pth"), "{error}");
}
