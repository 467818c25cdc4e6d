import { useEffect } from "react";
import { plain } from "../components/plain";

/** Names the tab, and with it the entry in the browser's history. */
export function useTitle(title: string | undefined) {
  useEffect(() => {
    document.title = title ? `${plain(title)} · Pullyard` : "Pullyard";
  }, [title]);
}
