import { useEffect, useReducer, useRef, useState } from "react";

type Living = { open: () => Promise<void>; close: () => void };

/** Something with a life of its own while the component is there, anew for each `key`.
 *
 * However often it says that it has changed, it renders once a frame at most. */
export function useLiving<T extends Living>(key: string, make: (changed: () => void) => T): T | undefined {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const [living, setLiving] = useState<{ key: string; it: T }>();
  const maker = useRef(make);
  maker.current = make;
  useEffect(() => {
    let frame = 0;
    const it = maker.current(() => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        redraw();
      });
    });
    setLiving({ key, it });
    void it.open();
    return () => {
      cancelAnimationFrame(frame);
      it.close();
    };
  }, [key]);
  return living?.key === key ? living.it : undefined;
}
