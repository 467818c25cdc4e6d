import { Modal, type ModalProps } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";

type Props = Omit<ModalProps, "opened" | "onClose"> & { close: () => void };

/** A dialog over the page; on a phone it is the page. It is open for as long as it is rendered. */
export function Dialog({ close, children, ...rest }: Props) {
  const narrow = useMediaQuery("(max-width: 640px)", false, { getInitialValueInEffect: false });
  return (
    <Modal
      opened
      onClose={close}
      fullScreen={narrow}
      radius={narrow ? 0 : "lg"}
      // It would add a style element, which the content security policy forbids.
      lockScroll={false}
      transitionProps={{ duration: 0 }}
      closeButtonProps={{ "aria-label": "Close" }}
      classNames={{ content: "dialog", header: "dialog-header", title: "dialog-title" }}
      // A header of the dialog is none of the page.
      attributes={{ header: { role: "presentation" } }}
      {...rest}
    >
      {children}
    </Modal>
  );
}
