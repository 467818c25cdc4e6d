import { Dialog } from "../components/Dialog";
import { sections } from "../lib/keys";
import { useStore } from "../lib/stores";

const NAMES: Record<string, string> = { "mod+k": "Ctrl K or ⌘ K", " ": "Space" };

export default function Help({ close }: { close: () => void }) {
  const shown = useStore(sections);
  return (
    <Dialog close={close} title="Keys" size="lg">
      <div className="help">
        {shown.map((section) => (
          <section key={section.name}>
            <h2>{section.name}</h2>
            <dl>
              {section.bindings().map(({ keys, does }) => (
                <div key={keys}>
                  <dt>{does}</dt>
                  <dd>
                    {(NAMES[keys] ?? keys).split(" ").map((key) => (
                      <kbd key={key}>{key.length === 1 ? key.toUpperCase() : key}</kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <section>
          <h2>In dialogs</h2>
          <dl>
            <div>
              <dt>Send</dt>
              <dd>
                <kbd>Ctrl</kbd>
                <kbd>Enter</kbd>
              </dd>
            </div>
            <div>
              <dt>Close</dt>
              <dd>
                <kbd>Esc</kbd>
              </dd>
            </div>
          </dl>
        </section>
      </div>
    </Dialog>
  );
}
