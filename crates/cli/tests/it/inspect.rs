//! `fastersam inspect` on files with the keys and shapes of SAM's official ViT-B.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A safetensors file of the official keys and shapes, changed by `change`; all values are zero, and take no
/// room on the disk.
fn official(
    folder: &Path,
    name: &str,
    change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>),
) -> Option<PathBuf> {
    let keys = fastersam_golden::json("sam_vit_b_keys")?;
    let mut tensors = keys["tensors"].as_object().unwrap().clone();
    change(&mut tensors);
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (key, shape) in &tensors {
        let n: u64 = shape.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product();
        let entry = serde_json::json!({
            "dtype": "F32", "shape": shape, "data_offsets": [end, end + 4 * n]
        });
        header.insert(key.clone(), entry);
        end += 4 * n;
    }
    let header = serde_json::Value::Object(header).to_string();
    let path = folder.join(name);
    let mut file = File::create(&path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + end).unwrap();
    Some(path)
}

fn inspect(path: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fastersam")).arg("inspect").arg(path).args(arguments).output().unwrap()
}

fn stdout(path: &Path, arguments: &[&str]) -> String {
    let output = inspect(path, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn golden_inspect_shows_architecture_keys_and_hash() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = official(folder.path(), "sam_vit_b.safetensors", |_| {}) else { return };
    let text = stdout(&path, &[]);
    let sha256 = fastersam_files::sha256_of_file(&path).unwrap();
    for part in [
        "SAM ViT-B, 768 wide, 12 blocks",
        "314 tensors",
        &sha256,
        "As weights of vit_b at 224 x 224",
        "0 missing",
        "0 unused",
        "prompt_encoder.point_embeddings.0.weight [1, 256]",
        "image_encoder.pos_embed from 64 to 14",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let text = stdout(&path, &["--tensors", "--input", "1024"]);
    assert!(text.contains("image_encoder.blocks.11.attn.qkv.weight [2304, 768] f32"), "{text}");
    assert!(text.contains("0 resized"), "{text}");

    let json: serde_json::Value = serde_json::from_str(&stdout(&path, &["--json", "--check"])).unwrap();
    assert_eq!(json["tensors"].as_array().unwrap().len(), 314);
    let report = &json["model"]["report"];
    let n = |key: &str| report[key].as_array().unwrap().len();
    assert_eq!((n("missing"), n("unused")), (0, 0));
    assert_eq!(n("used") + n("set_aside"), 314);
    assert!(json["model"]["parameters"]["trained"].as_u64() < json["model"]["parameters"]["all"].as_u64());
}

#[test]
fn golden_inspect_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let changed = official(folder.path(), "changed.safetensors", |tensors| {
        tensors.remove("image_encoder.blocks.5.norm1.bias");
        tensors.insert("image_encoder.blocks.5.extra".to_owned(), serde_json::json!([3, 2]));
    });
    let Some(changed) = changed else { return };
    let text = stdout(&changed, &[]);
    for part in
        ["1 missing", "image_encoder.blocks.5.norm1.bias", "1 unused", "image_encoder.blocks.5.extra [3, 2]"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }

    let error = |path: &Path, arguments: &[&str]| {
        let output = inspect(path, arguments);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let key = "image_encoder.blocks.3.mlp.lin1.weight";
    let misshapen = official(folder.path(), "misshapen.safetensors", |tensors| {
        tensors.insert(key.to_owned(), serde_json::json!([3071, 768]));
    });
    let message = error(&misshapen.unwrap(), &[]);
    for part in ["misshapen.safetensors", key, "[3071, 768]", "[3072, 768]"] {
        assert!(message.contains(part), "{part} in\n{message}");
    }
    let message = error(&changed, &["--check"]);
    assert!(message.contains("1 key missing (image_encoder.blocks.5.norm1.bias)"), "{message}");
    assert!(message.contains("1 that nothing knows (image_encoder.blocks.5.extra)"), "{message}");
    let message = error(&changed, &["--preset", "huge"]);
    assert!(
        message.contains("unknown preset `huge`; choose tiny, small, vit_s, vit_b, vit_l, vit_h"),
        "{message}"
    );
    // A model of another size.
    let message = error(&changed, &["--preset", "vit_l"]);
    assert!(message.contains("vit_l") && message.contains("768"), "{message}");

    let truncated = folder.path().join("truncated.safetensors");
    std::fs::copy(&changed, &truncated).unwrap();
    File::options().write(true).open(&truncated).unwrap().set_len(300_000_000).unwrap();
    let message = error(&truncated, &[]);
    assert!(message.contains("truncated.safetensors") && message.contains("download it again"), "{message}");
}
