import { ActionIcon, Menu, useMantineColorScheme } from "@mantine/core";
import {
  IconCheck,
  IconDeviceDesktop,
  IconKeyboard,
  IconLogout,
  IconMoon,
  IconSun,
  IconUserCircle,
} from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { outbox } from "../api/outbox";
import { leave } from "../api/session";
import { Confirm } from "../components/Confirm";
import { plain } from "../components/plain";
import { openDialog } from "../lib/dialogs";
import { useStore } from "../lib/stores";
import { toastError } from "../lib/toasts";

const SCHEMES = [
  { scheme: "light", name: "Light", icon: IconSun },
  { scheme: "dark", name: "Dark", icon: IconMoon },
  { scheme: "auto", name: "Like the system", icon: IconDeviceDesktop },
] as const;

export default function You({ name }: { name: string }) {
  // Without it a style element is added for a moment, which the content security policy forbids.
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const waiting = useStore(outbox).length;
  const [asks, setAsks] = useState(false);
  const logOut = useMutation({
    mutationFn: leave,
    onSuccess: () => location.assign("/"),
    onError: toastError,
  });
  return (
    <>
      <Menu position="bottom-end" width={220} shadow="md">
        <Menu.Target>
          <ActionIcon variant="default" size={36} radius="md" aria-label="You and how it looks">
            <IconUserCircle size={20} stroke={1.7} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{plain(name)}</Menu.Label>
          {SCHEMES.map(({ scheme, name: label, icon: Icon }) => (
            <Menu.Item
              key={scheme}
              leftSection={<Icon size={17} />}
              rightSection={colorScheme === scheme ? <IconCheck size={16} aria-label="chosen" /> : null}
              onClick={() => setColorScheme(scheme)}
            >
              {label}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item leftSection={<IconKeyboard size={17} />} onClick={() => openDialog({ kind: "help" })}>
            Keys
          </Menu.Item>
          <Menu.Item
            leftSection={<IconLogout size={17} />}
            onClick={() => (waiting ? setAsks(true) : logOut.mutate())}
          >
            Log out
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asks && (
        <Confirm
          title="Log out?"
          text="What still waits to be sent on this device is thrown away."
          yes="Log out"
          close={() => setAsks(false)}
          confirm={() => logOut.mutate()}
        />
      )}
    </>
  );
}
