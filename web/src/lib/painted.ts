import { useEffect, useState } from "react";

/** True once this was painted: for what nobody needs with the first picture of a page. */
export function usePainted(): boolean {
  const [painted, setPainted] = useState(false);
  useEffect(() => {
    let later: ReturnType<typeof setTimeout>;
    const soon = () => {
      later = setTimeout(() => setPainted(true));
    };
    // A page that nobody sees has no frames, and has news to tell.
    if (document.hidden) soon();
    const frame = requestAnimationFrame(soon);
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(later);
    };
  }, []);
  return painted;
}
