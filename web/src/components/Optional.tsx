import { Component, type ReactNode, Suspense } from "react";
import { toastError } from "../lib/toasts";

type Props = {
  /** Instead, until it is here, and where it never comes. */
  fallback?: ReactNode;
  /** Somebody asked for it, and is told where it does not come. */
  wanted?: boolean;
  children: ReactNode;
};

/** What its page can be shown without, such as code that comes later: it may be lost, or gone after an update. */
export class Optional extends Component<Props, { broke: boolean }> {
  override state = { broke: false };

  static getDerivedStateFromError() {
    return { broke: true };
  }

  override componentDidCatch(error: Error) {
    if (this.props.wanted) toastError(new Error(`This can't be shown; load the page anew: ${error.message}`));
  }

  override render() {
    const { fallback = null, children } = this.props;
    return this.state.broke ? fallback : <Suspense fallback={fallback}>{children}</Suspense>;
  }
}
