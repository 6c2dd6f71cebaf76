//! Opens a checkpoint: headers of all its files, checked against each other.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::checkpoint::dtype::reason_to_skip;
use crate::checkpoint::header::{self, Entry, Header, HeaderError, LENGTH_BYTES};
use crate::checkpoint::quantised::{Declared, Raw};
use crate::checkpoint::shards::{self, Index, Layout, ShardFile};
use crate::checkpoint::source::Blob;
use crate::checkpoint::tensor::{Source, Span};
use crate::checkpoint::{
    Checkpoint, CheckpointError, Defect, Dtype, Skipped, Tensor, quantised, side,
};
use crate::layer::is_buffer;

impl Checkpoint {
    /// Opens the checkpoint at `path`, a folder or a `.safetensors` file; `reference` is what the
    /// user called it.
    ///
    /// A folder's `model.safetensors` is preferred, then an index with its shards, then every
    /// `*.safetensors` file.
    ///
    /// # Errors
    /// If there are no weights, a header or index cannot be read, a file lies outside the folder,
    /// or the checkpoint is an adapter or a pickle. Damage beyond the headers is a [`Defect`].
    pub fn open(path: &Path, reference: &str) -> Result<Self, CheckpointError> {
        Self::read(shards::locate(path)?, reference)
    }

    /// Reads the headers and side files of what was found.
    pub(super) fn read(layout: Layout, reference: &str) -> Result<Self, CheckpointError> {
        let mut builder = Builder::new(layout.index);
        for shard in layout.files {
            builder.add(shard)?;
        }
        let stored = std::mem::take(&mut builder.stored);
        let mut checkpoint = builder.finish(reference);
        checkpoint.unread_files = layout.unread;
        checkpoint.config = side::read_config(&*layout.folder, &mut checkpoint.defects)?;
        let model_opt = side::read_model_opt(&*layout.folder, &mut checkpoint.defects)?;
        let declared = Declared::new(checkpoint.config.as_ref(), model_opt.as_ref());
        quantised::resolve(&mut checkpoint, &stored, &declared);
        checkpoint.tokenizer = side::tokenizer_hashes(&*layout.folder)?;
        Ok(checkpoint)
    }

    /// Opens the tensors of one file, whatever lies beside it.
    pub(super) fn open_file(file: ShardFile, reference: &str) -> Result<Self, CheckpointError> {
        let mut builder = Builder::new(None);
        builder.add(file)?;
        Ok(builder.finish(reference))
    }
}

#[derive(Debug)]
struct Builder {
    index: Option<Index>,
    names: Vec<String>,
    files: Vec<Arc<dyn Blob>>,
    /// File by tensor, of all tensors that some header lists.
    owners: BTreeMap<String, usize>,
    tensors: BTreeMap<String, Tensor>,
    skipped: BTreeMap<String, Skipped>,
    /// Every tensor whose bytes are there, of any dtype.
    stored: BTreeMap<String, Raw>,
    defects: Vec<Defect>,
}

impl Builder {
    fn new(index: Option<Index>) -> Self {
        Self {
            index,
            names: Vec::new(),
            files: Vec::new(),
            owners: BTreeMap::new(),
            tensors: BTreeMap::new(),
            skipped: BTreeMap::new(),
            stored: BTreeMap::new(),
            defects: Vec::new(),
        }
    }

    fn add(&mut self, shard: ShardFile) -> Result<(), CheckpointError> {
        let ShardFile { name, blob } = shard;
        let size = blob.size();
        let (start, header) = read_header(&*blob)?;
        // Offsets of tensors of unknown dtypes can be of any size.
        self.check_size(&name, start.saturating_add(header.data_length), size);
        let at = self.files.len();
        let mut repeated = Vec::new();
        for entry in header.entries {
            if self.owners.contains_key(&entry.name) {
                repeated.push(entry.name.clone());
                if !self.is_mapped_to(&entry.name, &name) {
                    continue;
                }
            }
            self.place(entry, at, start, size);
        }
        self.report(&name, &repeated, "in another file too");
        self.names.push(name);
        self.files.push(blob);
        Ok(())
    }

    /// Whether the index says that the tensor is in that file.
    fn is_mapped_to(&self, tensor: &str, file: &str) -> bool {
        self.index
            .as_ref()
            .and_then(|index| index.weight_map.get(tensor))
            .is_some_and(|mapped| mapped == file)
    }

    fn check_size(&mut self, file: &str, expected: u64, size: u64) {
        let message = match size.cmp(&expected) {
            Ordering::Less => {
                format!("cut off: {size} bytes where its header describes {expected}")
            }
            Ordering::Equal => return,
            Ordering::Greater => {
                format!("{} bytes follow what its header describes", size - expected)
            }
        };
        self.defects.push(Defect {
            file: file.to_owned(),
            message,
        });
    }

    /// Files a tensor under the readable or the skipped ones.
    fn place(&mut self, entry: Entry, file: usize, start: u64, size: u64) {
        let Entry {
            name,
            dtype,
            shape,
            begin,
            end,
        } = entry;
        self.owners.insert(name.clone(), file);
        self.tensors.remove(&name);
        self.skipped.remove(&name);
        self.stored.remove(&name);
        if start.saturating_add(end) <= size {
            let span = Span {
                file,
                offset: start + begin,
                length: end - begin,
            };
            let raw = Raw {
                dtype: dtype.clone(),
                shape: shape.clone(),
                span,
            };
            self.stored.insert(name.clone(), raw);
        }
        let reason = match Dtype::from_name(&dtype) {
            _ if is_buffer(&name, &shape) => "buffer of constants: not a weight".to_owned(),
            None => reason_to_skip(&dtype),
            Some(_) if start.saturating_add(end) > size => {
                "its bytes lie beyond the end of the file".to_owned()
            }
            Some(known) => {
                let tensor = Tensor {
                    name: name.clone(),
                    dtype: known,
                    shape,
                    source: Source::Stored(Span {
                        file,
                        offset: start + begin,
                        length: end - begin,
                    }),
                };
                self.tensors.insert(name, tensor);
                return;
            }
        };
        let skipped = Skipped {
            reason,
            dtype: Some(dtype),
            shape: Some(shape),
        };
        self.skipped.insert(name, skipped);
    }

    /// Records one defect for a file and all tensors it concerns.
    fn report(&mut self, file: &str, tensors: &[String], what: &str) {
        if let Some(first) = tensors.first() {
            let message = match tensors.len() {
                1 => format!("tensor `{first}` is {what}"),
                count => format!("{count} tensors are {what}, first `{first}`"),
            };
            self.defects.push(Defect {
                file: file.to_owned(),
                message,
            });
        }
    }

    fn finish(mut self, reference: &str) -> Checkpoint {
        if let Some(index) = self.index.take() {
            self.check_index(&index);
        }
        Checkpoint {
            reference: reference.to_owned(),
            files: Arc::new(self.files),
            tensors: self.tensors,
            skipped: self.skipped,
            defects: self.defects,
            unread_files: Vec::new(),
            config: None,
            tokenizer: BTreeMap::new(),
            revision: None,
            deadline: None,
        }
    }

    fn check_index(&mut self, index: &Index) {
        for file in &index.missing {
            self.defects.push(Defect {
                file: file.clone(),
                message: format!("named by `{}`, but there is no such file", index.name),
            });
        }
        let mut lacking: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (tensor, file) in &index.weight_map {
            let owner = self.owners.get(tensor).and_then(|at| self.names.get(*at));
            if owner == Some(file) {
                continue;
            }
            if !index.missing.contains(file) {
                lacking.entry(file).or_default().push(tensor.clone());
            }
            if owner.is_none() {
                let skipped = Skipped {
                    reason: format!("`{}` maps it to `{file}`, which lacks it", index.name),
                    dtype: None,
                    shape: None,
                };
                self.skipped.insert(tensor.clone(), skipped);
            }
        }
        for (file, tensors) in lacking {
            let what = format!("mapped to it by `{}` but not in it", index.name);
            self.report(file, &tensors, &what);
        }
        self.report_unmapped(index);
    }

    fn report_unmapped(&mut self, index: &Index) {
        let mut unmapped: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (tensor, file) in &self.owners {
            if !index.weight_map.contains_key(tensor) {
                unmapped.entry(*file).or_default().push(tensor.clone());
            }
        }
        for (file, tensors) in unmapped {
            let name = self.names.get(file).cloned().unwrap_or_default();
            let what = format!("not in `{}`", index.name);
            self.report(&name, &tensors, &what);
        }
    }
}

/// The header of a file, and where the data starts.
fn read_header(blob: &dyn Blob) -> Result<(u64, Header), CheckpointError> {
    let refused = |source: HeaderError| CheckpointError::Header {
        path: blob.path().to_path_buf(),
        source,
    };
    let size = blob.size();
    if size < LENGTH_BYTES {
        return Err(refused(HeaderError::TooShort { size }));
    }
    let prefix: [u8; 8] = blob
        .read("header", 0, LENGTH_BYTES)?
        .try_into()
        .unwrap_or_default();
    let length = header::header_length(prefix, size).map_err(refused)?;
    // At most 100 MB by the check above.
    let json = blob.read("header", LENGTH_BYTES, length)?;
    let header = header::parse(&json).map_err(refused)?;
    let start = LENGTH_BYTES + length;
    Ok((start, header))
}
