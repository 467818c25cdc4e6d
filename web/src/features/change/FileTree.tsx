import { IconCheck, IconFolder } from "@tabler/icons-react";
import { useMemo } from "react";
import type { FileDiff } from "../../components/diff/parse";
import { plain } from "../../components/plain";

/** More are found by scrolling. */
const MOST_FILES = 300;

type Leaf = { file: FileDiff; id: string };
type Folder = { name: string; folders: Map<string, Folder>; leaves: Leaf[] };
type Props = { files: Leaf[]; seen: (file: FileDiff) => boolean; go: (id: string) => void };

export function FileTree({ files, seen, go }: Props) {
  const root = useMemo(() => treeOf(files.slice(0, MOST_FILES)), [files]);
  return (
    <nav className="file-tree" aria-label="Files of the change">
      <Branch folder={root} seen={seen} go={go} />
      {files.length > MOST_FILES && <p className="quiet">and {files.length - MOST_FILES} more</p>}
    </nav>
  );
}

function Branch({ folder, seen, go }: { folder: Folder } & Omit<Props, "files">) {
  return (
    <ul>
      {[...folder.folders.values()].map((one) => (
        <li key={one.name}>
          <span className="tree-folder" title={plain(one.name)}>
            <IconFolder size={15} aria-hidden />
            <span>{plain(one.name)}</span>
          </span>
          <Branch folder={one} seen={seen} go={go} />
        </li>
      ))}
      {folder.leaves.map(({ file, id }) => (
        <li key={id}>
          <button type="button" className="tree-file" data-seen={seen(file)} onClick={() => go(id)}>
            <span title={plain(file.path)}>{plain(file.path.slice(file.path.lastIndexOf("/") + 1))}</span>
            {seen(file) ? (
              <IconCheck size={14} aria-label="viewed" />
            ) : (
              <span className="tree-dot" data-what={file.what} aria-hidden />
            )}
          </button>
        </li>
      ))}
    </ul>
  );
}

function treeOf(files: Leaf[]): Folder {
  const root: Folder = { name: "", folders: new Map(), leaves: [] };
  for (const leaf of files) {
    let here = root;
    for (const name of leaf.file.path.split("/").slice(0, -1)) {
      const next = here.folders.get(name) ?? { name, folders: new Map(), leaves: [] };
      here.folders.set(name, next);
      here = next;
    }
    here.leaves.push(leaf);
  }
  return shortened(root);
}

/** A folder in which there is one folder alone is shown with it on one line. */
function shortened(folder: Folder): Folder {
  const folders = new Map<string, Folder>();
  for (let one of folder.folders.values()) {
    while (one.leaves.length === 0 && one.folders.size === 1) {
      const [only] = one.folders.values() as unknown as [Folder];
      one = { ...only, name: `${one.name}/${only.name}` };
    }
    folders.set(one.name, shortened(one));
  }
  return { ...folder, folders };
}
