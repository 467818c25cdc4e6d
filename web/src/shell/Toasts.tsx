import { IconAlertTriangle, IconCheck, IconX } from "@tabler/icons-react";
import { plain } from "../components/plain";
import { useStore } from "../lib/stores";
import { dismiss, toasts } from "../lib/toasts";

export function Toasts() {
  const shown = useStore(toasts);
  return (
    <div className="toasts" aria-live="polite">
      {shown.map(({ id, text, tone }) => (
        <div key={id} className="toast" data-tone={tone}>
          {tone === "bad" ? <IconAlertTriangle size={18} aria-hidden /> : <IconCheck size={18} aria-hidden />}
          <span>{plain(text)}</span>
          <button type="button" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <IconX size={16} />
          </button>
        </div>
      ))}
    </div>
  );
}
